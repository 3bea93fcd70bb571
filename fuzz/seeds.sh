#!/bin/sh
# Gives every fuzz target a corpus to start from, out of what the repository holds: corpus/<target>/, in
# fuzz/ and in fuzz/pixels/.
set -eu
cd "$(dirname "$0")/.."

folder() { mkdir -p "fuzz/corpus/$1"; }

# One file for each line of standard input.
lines() {
    folder "$1"
    number=0
    while IFS= read -r line; do
        number=$((number + 1))
        printf '%s' "$line" >"fuzz/corpus/$1/seed-$number"
    done
}

folder header
find samples functions -type f -size -32k \( -name '*.png' -o -name '*.jpg' -o -name '*.gif' -o -name '*.webp' \
    -o -name '*.bmp' -o -name '*.tif*' -o -name '*.ico' -o -name '*.jxl' -o -name '*.jp2' -o -name '*.svg' \
    -o -name '*.avif' -o -name '*.heic' \) | while IFS= read -r file; do
    cp "$file" "fuzz/corpus/header/$(cksum <"$file" | cut -d ' ' -f 1)"
done

# The same by format; with the test images of Pillow where `cargo xtask hostile` has fetched them.
pixels=fuzz/pixels/corpus
seed() { mkdir -p "$pixels/$2" && cp "$1" "$pixels/$2/$(cksum <"$1" | cut -d ' ' -f 1)"; }
pillow=target/rivals/pillow/Tests
find samples functions $(ls -d "$pillow/images" 2>/dev/null) -type f -size -48k | while IFS= read -r file; do
    case $file in
        *.jpg | *.jpeg) seed "$file" jpeg && seed "$file" jpeg_planes ;;
        *.png | *.apng) seed "$file" png ;;
        *.tif | *.tiff) seed "$file" tiff && seed "$file" metadata ;;
        *.jp2 | *.j2k) seed "$file" jp2 ;;
        *.gif | *.webp | *.bmp | *.ico | *.jxl | *.svg | *.avif | *.heic) seed "$file" "${file##*.}" ;;
    esac
done
mkdir -p "$pixels/colour"
python3 fuzz/profiles.py "$pixels/colour" $(ls "$pillow"/icc/*.icc 2>/dev/null)

folder event
cp schema/samples/*/*.json fuzz/corpus/event/
for manifest in functions/branches/*/branch.json; do
    cp "$manifest" "fuzz/corpus/event/branch-$(basename "$(dirname "$manifest")").json"
done
lines event <<'SEEDS'
{"execution":"e","input":{"image":{"bucket":"b","key":"k","version":"v"}},"workflow_hash":"w","branches":{"label":"1"},"notified":"2026-01-01T00:00:00.000Z","claimed_by":"m","claimed":"2026-01-01T00:00:00.000Z","started":true}
{"execution":"e","epoch":0,"time":"2026-01-01T00:00:00.000Z","lanes":{"trunk":{"seq":1,"hash":"h"}},"header":"h","prev":"p","hash":"h"}
{"execution":"e","header":null,"events":[["E#trunk#0000000001",{"specversion":"1.0","id":"00000000-0000-0000-0000-000000000000","source":"s","subject":"b/k","time":"2026-01-01T00:00:00.000Z","dataschema":"d","execution":"e","lane":"trunk","seq":1,"epoch":0,"attempt":0,"type":"execution.succeeded.v1","data":{},"prev":"p","hash":"h"}]],"seals":[["Z#0000",{"execution":"e","epoch":4294967295,"time":"2026-01-01T00:00:00.000Z","lanes":{"b.label":{"seq":2,"hash":"h"}},"header":"h","prev":"p","hash":"h"}]],"unreadable":[["H","why"]],"ended":true}
{"schema":"dead-letter.v1","class":"failed","image":{"bucket":"b","key":"k"},"execution":"e","error":{"name":"Image.Empty","cause":"c"},"branches":[],"time":"2026-01-01T00:00:00.000Z","redrive":"r","raw":"x"}
SEEDS

folder configuration
cp docs/safelight.toml fuzz/corpus/configuration/
lines configuration <<'SEEDS'
serve = { listen = "127.0.0.1:0", buckets = { photos = { path = "p", watch = false } } }
branches.label = { provider = "rekognition" }
alarm_new = { threshold = 5.0, period_seconds = 60, evaluation_periods = 3, datapoints_to_alarm = 2 }
SEEDS

folder definition
cp workflows/*.asl.json fuzz/corpus/definition/
lines definition <<'SEEDS'
{"QueryLanguage":"JSONata","StartAt":"A","States":{"A":{"Type":"Pass","Output":"{% 1 %}","Next":"B"},"B":{"Type":"Succeed"}}}
{"QueryLanguage":"JSONata","StartAt":"A","States":{"A":{"Type":"Wait","Seconds":"{% 1 %}","Next":"B"},"B":{"Type":"Fail","Error":"E","Cause":"C"}}}
{"QueryLanguage":"JSONata","StartAt":"A","States":{"A":{"Type":"Parallel","Branches":[{"StartAt":"P","States":{"P":{"Type":"Pass","End":true}}}],"End":true,"Retry":[{"ErrorEquals":["States.ALL"],"IntervalSeconds":1,"MaxAttempts":2,"BackoffRate":1.5,"MaxDelaySeconds":9,"JitterStrategy":"FULL"}]}}}
{"QueryLanguage":"JSONata","StartAt":"A","States":{"A":{"Type":"Map","Items":"{% [1..3] %}","MaxConcurrency":2,"ItemProcessor":{"ProcessorConfig":{"Mode":"INLINE"},"StartAt":"P","States":{"P":{"Type":"Pass","End":true}}},"End":true}}}
{"QueryLanguage":"JSONata","StartAt":"A","States":{"A":{"Type":"Choice","Choices":[{"Condition":"{% $states.input.x > 1 %}","Next":"B"}],"Default":"B"},"B":{"Type":"Succeed"}}}
SEEDS

# The expressions of the workflow, and the constructs that it does not use.
{
    grep -oh '{%[^%]*%}' workflows/*.asl.json | sed 's/^{%//; s/%}$//' | sort -u
    cat <<'SEEDS'
$map([1..9], function($v, $i) { $v * $i })
$reduce($list, function($a, $b) { $string($a) & $b }, "")
$sort($list, function($a, $b) { $string($a) > $string($b) })^(>n)
($f := function($n) { $n < 1 ? 0 : $f($n - 1) }; $f(100))
$replace($states.input.text, /(\w+)/, function($m) { $uppercase($m.match) })
$split("a,b;c", /[,;]/) ~> $join("-") ~> $uppercase
$states.input.list[$type($) = "number"]{ $string($): $ }
$states.input ~> |image|{"bytes": bytes + 1}, ["key"]|
$formatNumber(1234.5, "#,##0.00") & $formatBase(255, 16) & $formatInteger(7, "I")
$fromMillis($millis(), "[Y0001]-[M01]-[D01] [H01]:[m01]:[s01]") & $toMillis("2026-01-01T00:00:00Z")
$partition([1..10], 3) ~> $zip([1, 2]) ~> $distinct
$hash("a", "SHA-256") & $base64encode("b") & $uuid() & $random() & $parse("{\"a\":[1]}").a[0]
$states.input.**.n @ $x # $i [ $i < 2 ].{ "x": $x, "p": % }
$merge([{"a": 1}, $sift($states.input, function($v) { $exists($v) })]) ~> $keys
$pad("x", -9, "#") & $substringBefore("a-b", "-") & $range(1, 9, 2) ~> $count
SEEDS
} | lines jsonata

lines s3_event <<'SEEDS'
{"Records":[{"eventVersion":"2.1","eventSource":"aws:s3","awsRegion":"eu-west-1","eventTime":"2026-01-01T00:00:00.000Z","eventName":"ObjectCreated:Put","s3":{"bucket":{"name":"photos"},"object":{"key":"a+b%20c.jpg","size":1,"eTag":"e","versionId":"v","sequencer":"0055"}}}]}
{"Type":"Notification","MessageId":"m","TopicArn":"t","Message":"{\"Records\":[{\"eventSource\":\"aws:s3\",\"eventTime\":\"2026-01-01T00:00:00.000Z\",\"eventName\":\"ObjectCreated:Put\",\"s3\":{\"bucket\":{\"name\":\"photos\"},\"object\":{\"key\":\"a.jpg\",\"size\":1}}}]}"}
{"version":"0","id":"i","detail-type":"Object Created","source":"aws.s3","time":"2026-01-01T00:00:00Z","detail":{"bucket":{"name":"photos"},"object":{"key":"a b.jpg","size":1,"etag":"e","version-id":"v","sequencer":"0055"}}}
{"Service":"Amazon S3","Event":"s3:TestEvent","Bucket":"photos"}
{"redrive":{"execution":"20260101-0123456789abcdef0123456789abcdef","only":["label"]}}
SEEDS
