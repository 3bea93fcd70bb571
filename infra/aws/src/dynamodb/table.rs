//! The calls to DynamoDB, and the payloads that lie in object storage.

use std::collections::BTreeSet;
use std::sync::Arc;

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::error::{DisplayErrorContext, ProvideErrorMetadata, SdkError};
use aws_sdk_dynamodb::operation::put_item::PutItemError;
use aws_sdk_dynamodb::types::{AttributeValue, ReturnConsumedCapacity};
use chrono::{Duration, Utc};
use safelight_ports::{ObjectMeta, Objects, ObjectsError, RecordError, WriteCondition};
use safelight_schema::chain::sha256_hex;
use safelight_schema::{Header, ImageRef, Pointer, key};

use super::item::{self, Body, Item};
use super::meter::Meter;

/// The index of pointers (DynamoDB wants three letters at least).
const INDEX: &str = "g1-index";

/// Folder of the payloads in the results bucket, as `kit` calls it.
const PAYLOADS: &str = "payloads";

/// Largest payload that is read back, bytes.
const MAX_PAYLOAD: u64 = 16 << 20;

/// One table.
pub(crate) struct Table {
    client: Client,
    name: String,
    payloads: Arc<dyn Objects>,
    pub(crate) retention: Option<Duration>,
    pub(crate) meter: Option<Arc<Meter>>,
}

fn failed<E>(operation: &str, error: &SdkError<E>) -> RecordError
where
    E: ProvideErrorMetadata + std::error::Error + 'static,
{
    RecordError::Unavailable(match error.as_service_error() {
        Some(service) => format!(
            "{operation}: {}: {}",
            service.code().unwrap_or("error"),
            service.message().unwrap_or("no message")
        ),
        None => format!("{operation}: {}", DisplayErrorContext(error)),
    })
}

impl Table {
    pub(crate) fn new(client: Client, name: String, payloads: Arc<dyn Objects>) -> Self {
        Self {
            client,
            name,
            payloads,
            retention: None,
            meter: None,
        }
    }

    fn measured(&self) -> Option<ReturnConsumedCapacity> {
        self.meter.as_ref().map(|_| ReturnConsumedCapacity::Total)
    }

    /// Items of one partition in the order of their sort keys: all, those that start with a prefix,
    /// or those from one sort key to another.
    pub(crate) async fn query(
        &self,
        pk: &str,
        sort_keys: Option<(&str, Option<&str>)>,
    ) -> Result<Vec<Item>, RecordError> {
        let mut items = Vec::new();
        let mut start = None;
        loop {
            let mut query = self
                .client
                .query()
                .table_name(&self.name)
                .consistent_read(true)
                .expression_attribute_values(":pk", item::text(pk))
                .set_exclusive_start_key(start)
                .set_return_consumed_capacity(self.measured());
            query = match sort_keys {
                None => query.key_condition_expression("pk = :pk"),
                Some((prefix, None)) => query
                    .key_condition_expression("pk = :pk AND begins_with(sk, :sk)")
                    .expression_attribute_values(":sk", item::text(prefix)),
                Some((from, Some(to))) => query
                    .key_condition_expression("pk = :pk AND sk BETWEEN :from AND :to")
                    .expression_attribute_values(":from", item::text(from))
                    .expression_attribute_values(":to", item::text(to)),
            };
            let page = query
                .send()
                .await
                .map_err(|error| failed("Query", &error))?;
            if let Some(meter) = &self.meter {
                meter.read(page.consumed_capacity(), page.items());
            }
            items.extend(page.items.unwrap_or_default());
            start = page.last_evaluated_key;
            if start.is_none() {
                return Ok(items);
            }
        }
    }

    /// A page of the index.
    pub(crate) async fn find(
        &self,
        partition: &str,
        newest_first: bool,
        limit: u32,
        next: Option<&str>,
    ) -> Result<(Vec<Item>, Option<String>), RecordError> {
        let start = next.map(|token| {
            let mut parts = token.split('\n');
            let mut part = || item::text(parts.next().unwrap_or(""));
            let (g1sk, pk, sk) = (part(), part(), part());
            Item::from([
                ("g1pk".to_owned(), item::text(partition)),
                ("g1sk".to_owned(), g1sk),
                ("pk".to_owned(), pk),
                ("sk".to_owned(), sk),
            ])
        });
        let page = self
            .client
            .query()
            .table_name(&self.name)
            .index_name(INDEX)
            .key_condition_expression("g1pk = :g1pk")
            .expression_attribute_values(":g1pk", item::text(partition))
            .scan_index_forward(!newest_first)
            .limit(i32::try_from(limit).unwrap_or(i32::MAX))
            .set_exclusive_start_key(start)
            .set_return_consumed_capacity(self.measured())
            .send()
            .await
            .map_err(|error| failed("Query", &error))?;
        if let Some(meter) = &self.meter {
            // Read by eventual consistency: half as much.
            meter.read(page.consumed_capacity(), &[]);
        }
        let next = page.last_evaluated_key.map(|last| {
            let part = |name| item::string(&last, name).unwrap_or("");
            format!("{}\n{}\n{}", part("g1sk"), part("pk"), part("sk"))
        });
        Ok((page.items.unwrap_or_default(), next))
    }

    /// Names of all executions that have any item.
    pub(crate) async fn names(&self) -> Result<BTreeSet<String>, RecordError> {
        let mut names = BTreeSet::new();
        let mut start = None;
        loop {
            let page = self
                .client
                .scan()
                .table_name(&self.name)
                .projection_expression("pk")
                // An audit must not miss what was written just before.
                .consistent_read(true)
                .set_exclusive_start_key(start)
                .send()
                .await
                .map_err(|error| failed("Scan", &error))?;
            for item in page.items.unwrap_or_default() {
                let pk = item::string(&item, "pk").unwrap_or("");
                names.extend(pk.strip_prefix("X#").map(str::to_owned));
            }
            start = page.last_evaluated_key;
            if start.is_none() {
                return Ok(names);
            }
        }
    }

    /// Puts an item, whatever is there.
    pub(crate) async fn put(&self, pk: &str, sk: &str, json: String) -> Result<(), RecordError> {
        let item = self.item(pk, sk, json, None).await?;
        self.send(item, None, Item::new()).await?;
        Ok(())
    }

    /// Puts an item that is not there yet; false if it is.
    pub(crate) async fn put_new(
        &self,
        pk: &str,
        sk: &str,
        json: String,
        pointer: Option<&Pointer>,
    ) -> Result<bool, RecordError> {
        let item = self.item(pk, sk, json, pointer).await?;
        self.send(item, Some("attribute_not_exists(pk)"), Item::new())
            .await
    }

    /// Puts the header, with the pointer by time: the first one, or in place of the one that is held
    /// and was not started. False if it is another.
    pub(crate) async fn put_header(
        &self,
        pk: &str,
        header: &Header,
        held: Option<&Header>,
    ) -> Result<bool, RecordError> {
        let pointer = Pointer::time(&header.execution, header.claimed);
        let json = super::to_json(key::HEADER, header)?;
        let mut item = self.item(pk, key::HEADER, json, Some(&pointer)).await?;
        item.extend(claim_of(header, ""));
        match held {
            None => {
                self.send(item, Some("attribute_not_exists(pk)"), Item::new())
                    .await
            }
            Some(held) => {
                let condition =
                    "claimed = :claimed AND claimed_by = :claimed_by AND started = :started";
                let mut values = claim_of(held, ":");
                values.insert(":started".into(), AttributeValue::Bool(false));
                self.send(item, Some(condition), values).await
            }
        }
    }

    /// Puts a pointer as an item of its own.
    pub(crate) async fn put_pointer(&self, pk: &str, pointer: &Pointer) -> Result<(), RecordError> {
        let mut item = keys(pk, &pointer.sk);
        item.extend(index_keys(pointer));
        item.extend(self.expiry());
        self.send(item, None, Item::new()).await?;
        Ok(())
    }

    async fn item(
        &self,
        pk: &str,
        sk: &str,
        json: String,
        pointer: Option<&Pointer>,
    ) -> Result<Item, RecordError> {
        let body = Body::of(json);
        if let Body::Object { sha256, json } = &body {
            self.put_payload(sha256, json).await?;
        }
        let mut item = keys(pk, sk);
        item.extend([body.attribute()]);
        item.extend(pointer.into_iter().flat_map(index_keys));
        // Header and seals are the tombstone: what was there, and until when.
        if !matches!(sk.split('#').next(), Some(key::HEADER | "Z")) {
            item.extend(self.expiry());
        }
        Ok(item)
    }

    fn expiry(&self) -> Option<(String, AttributeValue)> {
        let at = (Utc::now() + self.retention?).timestamp();
        Some((item::EXPIRES.to_owned(), AttributeValue::N(at.to_string())))
    }

    /// Whether the item was put, or its condition did not hold.
    async fn send(
        &self,
        item: Item,
        condition: Option<&str>,
        values: Item,
    ) -> Result<bool, RecordError> {
        let put = self
            .client
            .put_item()
            .table_name(&self.name)
            .set_item(Some(item))
            .set_condition_expression(condition.map(str::to_owned))
            .set_expression_attribute_values(Some(values).filter(|values| !values.is_empty()))
            .set_return_consumed_capacity(self.measured())
            .send()
            .await;
        match put {
            Ok(put) => {
                if let Some(meter) = &self.meter {
                    meter.wrote(put.consumed_capacity());
                }
                Ok(true)
            }
            Err(error) => match error.as_service_error() {
                Some(PutItemError::ConditionalCheckFailedException(_)) => Ok(false),
                _ => Err(failed("PutItem", &error)),
            },
        }
    }

    async fn put_payload(&self, sha256: &str, json: &str) -> Result<(), RecordError> {
        let meta = ObjectMeta {
            media_type: "application/json".into(),
            ..ObjectMeta::default()
        };
        // What is there has this content, as its name says; written again, its age begins anew, and a rule of
        // retention leaves it for as long as the youngest event that points at it.
        self.payloads
            .write(
                self.payloads.results_bucket(),
                &format!("{PAYLOADS}/{sha256}"),
                json.as_bytes(),
                &meta,
                &WriteCondition::Always,
            )
            .await
            .map(drop)
            .map_err(|error| RecordError::Unavailable(error.to_string()))
    }

    /// A payload; the inner error says what is wrong with it.
    pub(crate) async fn payload(
        &self,
        sha256: &str,
    ) -> Result<Result<String, String>, RecordError> {
        let object = ImageRef {
            bucket: self.payloads.results_bucket().to_owned(),
            key: format!("{PAYLOADS}/{sha256}"),
            version: None,
            etag: None,
            sequencer: None,
            bytes: None,
        };
        let bytes = match self.payloads.read(&object, MAX_PAYLOAD).await {
            Ok(bytes) => bytes,
            Err(ObjectsError::Unavailable(why)) => return Err(RecordError::Unavailable(why)),
            Err(error) => return Ok(Err(error.to_string())),
        };
        if sha256_hex(&bytes) != sha256 {
            return Ok(Err(format!("'{}' is not what its name says", object.key)));
        }
        Ok(String::from_utf8(bytes).map_err(|error| error.to_string()))
    }
}

fn keys(pk: &str, sk: &str) -> Item {
    Item::from([
        ("pk".to_owned(), item::text(pk)),
        ("sk".to_owned(), item::text(sk)),
    ])
}

fn index_keys(pointer: &Pointer) -> [(String, AttributeValue); 2] {
    [
        ("g1pk".to_owned(), item::text(&pointer.g1pk)),
        ("g1sk".to_owned(), item::text(&pointer.g1sk)),
    ]
}

/// What a claim is told from another by.
fn claim_of(header: &Header, prefix: &str) -> Item {
    Item::from([
        (
            format!("{prefix}claimed"),
            item::text(safelight_schema::time::format(&header.claimed)),
        ),
        (
            format!("{prefix}claimed_by"),
            item::text(&header.claimed_by),
        ),
        (
            format!("{prefix}started"),
            AttributeValue::Bool(header.started),
        ),
    ])
}
