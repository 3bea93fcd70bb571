output "images" {
  description = "The bucket of the images."
  value = {
    id  = aws_s3_bucket.this["images"].id
    arn = aws_s3_bucket.this["images"].arn
  }
}

output "results" {
  description = "The bucket of the results."
  value = {
    id  = aws_s3_bucket.this["results"].id
    arn = aws_s3_bucket.this["results"].arn
  }
}
