//! Makes what the adapters work on.

use aws_sdk_dynamodb::types::{
    AttributeDefinition, BillingMode, GlobalSecondaryIndex, KeySchemaElement, KeyType, Projection,
    ProjectionType, ScalarAttributeType,
};
use aws_sdk_s3::types::{BucketVersioningStatus, VersioningConfiguration};
use aws_sdk_sqs::types::QueueAttributeName;
use safelight_aws::Sdk;
use safelight_emulator::Emulator;

/// A table with the record's keys; its name.
pub async fn table(sdk: &Sdk, name: &str) -> String {
    let attribute = |name: &str| {
        AttributeDefinition::builder()
            .attribute_name(name)
            .attribute_type(ScalarAttributeType::S)
            .build()
            .unwrap()
    };
    let key = |name: &str, kind: KeyType| {
        KeySchemaElement::builder()
            .attribute_name(name)
            .key_type(kind)
            .build()
            .unwrap()
    };
    let index = GlobalSecondaryIndex::builder()
        .index_name("g1-index")
        .key_schema(key("g1pk", KeyType::Hash))
        .key_schema(key("g1sk", KeyType::Range))
        .projection(
            Projection::builder()
                .projection_type(ProjectionType::KeysOnly)
                .build(),
        )
        .build()
        .unwrap();
    sdk.dynamodb()
        .create_table()
        .table_name(name)
        .billing_mode(BillingMode::PayPerRequest)
        .set_attribute_definitions(Some(["pk", "sk", "g1pk", "g1sk"].map(attribute).to_vec()))
        .key_schema(key("pk", KeyType::Hash))
        .key_schema(key("sk", KeyType::Range))
        .global_secondary_indexes(index)
        .send()
        .await
        .unwrap();
    name.to_owned()
}

/// A bucket.
pub async fn bucket(sdk: &Sdk, name: &str) {
    sdk.s3().create_bucket().bucket(name).send().await.unwrap();
}

/// Gives a bucket versions.
pub async fn versioned(sdk: &Sdk, name: &str) {
    let on = VersioningConfiguration::builder()
        .status(BucketVersioningStatus::Enabled)
        .build();
    let put = sdk.s3().put_bucket_versioning().bucket(name);
    put.versioning_configuration(on).send().await.unwrap();
}

/// A queue and its dead-letter queue; their URLs.
pub async fn queue(sdk: &Sdk, name: &str, max_receive_count: u32) -> (String, String) {
    let create = async |name: String, redrive: Option<String>| {
        let mut create = sdk.sqs().create_queue().queue_name(name);
        if let Some(redrive) = redrive {
            create = create.attributes(QueueAttributeName::RedrivePolicy, redrive);
        }
        create.send().await.unwrap().queue_url.unwrap()
    };
    let dead = format!("{name}-dead");
    let dead_url = create(dead.clone(), None).await;
    let arn = format!(
        "arn:aws:sqs:{}:{}:{dead}",
        Emulator::REGION,
        Emulator::ACCOUNT
    );
    let redrive =
        format!(r#"{{"deadLetterTargetArn":"{arn}","maxReceiveCount":"{max_receive_count}"}}"#);
    (create(name.to_owned(), Some(redrive)).await, dead_url)
}

/// A secret; its ARN.
pub async fn secret(sdk: &Sdk, name: &str, text: &str) -> String {
    let created = sdk.secrets().create_secret().name(name);
    let created = created.secret_string(text).send().await.unwrap();
    created.arn.unwrap()
}
