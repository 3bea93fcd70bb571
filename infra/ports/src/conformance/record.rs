//! What every record must do.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use chrono::{DateTime, Duration, TimeZone, Utc};
use futures::future::join_all;
use safelight_schema::{
    Draft, ErrorInfo, Event, EventData, ExecutionInput, Header, ImageRef, Lane, Pointer, Summary,
    chain, key,
};

use super::unique;
use crate::{Append, Claim, Record, RecordError};

/// Runs the suite. Every call of `make` answers a record; it may be the same one.
pub async fn record(make: impl AsyncFn() -> Arc<dyn Record>) {
    claims_are_granted_once(&*make().await).await;
    racing_claims_have_one_winner(&*make().await).await;
    an_unstarted_claim_can_be_taken_over(&*make().await).await;
    a_sealed_execution_is_not_claimed_again(&*make().await).await;
    claims_write_their_pointers(&*make().await).await;
    appends_form_a_chain(&*make().await).await;
    duplicate_appends_change_nothing(&*make().await).await;
    appends_race_on_one_lane(&*make().await).await;
    lanes_do_not_contend(&*make().await).await;
    appends_are_checked(&*make().await).await;
    unicode_and_large_events_survive(&*make().await).await;
    seals_bind_what_is_there(&*make().await).await;
    summaries_are_replaced(&*make().await).await;
    pages_come_in_order(&*make().await).await;
    executions_are_listed(&*make().await).await;
    evidence_is_whole(&*make().await).await;
    several_steps_in_one_call(&*make().await).await;
}

fn time() -> DateTime<Utc> {
    Utc.timestamp_millis_opt(1_790_000_000_123).unwrap()
}

/// Long before the claim: the image waited, or was there for years.
fn notified() -> DateTime<Utc> {
    time() - Duration::days(400)
}

fn image(key: &str) -> ImageRef {
    ImageRef {
        bucket: "photos".into(),
        key: key.into(),
        version: Some("v1".into()),
        etag: Some("e1".into()),
        sequencer: None,
        bytes: Some(12),
    }
}

fn header(execution: &str, claimed_by: &str, claimed: DateTime<Utc>) -> Header {
    Header {
        execution: execution.into(),
        input: ExecutionInput {
            image: image(execution),
            redrive_of: None,
            only: None,
        },
        workflow_hash: "abc".into(),
        branches: BTreeMap::from([("thumbnail".into(), "1".into())]),
        notified: notified(),
        claimed_by: claimed_by.into(),
        claimed,
        started: false,
    }
}

fn draft(execution: &str, lane: &Lane, attempt: u32) -> Draft {
    Draft {
        execution: execution.into(),
        lane: lane.clone(),
        state: Some("Validate".into()),
        epoch: 0,
        attempt,
        source: "/safelight/conformance".into(),
        subject: "photos/여름 100%+a.jpg".into(),
        time: time(),
        data: EventData::StateEntered {
            function_version: "1".into(),
        },
    }
}

fn lease() -> Duration {
    Duration::minutes(5)
}

async fn claimed(record: &dyn Record) -> String {
    let execution = unique("20261121");
    let claim = record
        .claim(&header(&execution, "message-1", time()), lease())
        .await;
    assert_eq!(claim.unwrap(), Claim::Granted);
    execution
}

async fn claims_are_granted_once(record: &dyn Record) {
    // Invariant 2.
    let execution = unique("20261121");
    assert_eq!(record.header(&execution).await.unwrap(), None);
    let first = header(&execution, "message-1", time());
    assert_eq!(record.claim(&first, lease()).await.unwrap(), Claim::Granted);
    assert_eq!(
        record.header(&execution).await.unwrap(),
        Some(first.clone())
    );
    let other = header(&execution, "message-2", time() + Duration::minutes(1));
    let held = Claim::Held(Box::new(first));
    assert_eq!(record.claim(&other, lease()).await.unwrap(), held);
}

async fn racing_claims_have_one_winner(record: &dyn Record) {
    // Invariant 2.
    let execution = unique("20261121");
    let headers: Vec<_> = (0..16)
        .map(|n| header(&execution, &format!("message-{n}"), time()))
        .collect();
    let claims = join_all(headers.iter().map(|it| record.claim(it, lease()))).await;
    let granted: Vec<_> = claims
        .iter()
        .zip(&headers)
        .filter(|(claim, _)| *claim.as_ref().unwrap() == Claim::Granted)
        .collect();
    assert_eq!(granted.len(), 1, "of 16 claims, one is granted");
    let winner = record.header(&execution).await.unwrap().unwrap();
    assert_eq!(&winner, granted[0].1);
}

async fn an_unstarted_claim_can_be_taken_over(record: &dyn Record) {
    let execution = claimed(record).await;
    let again = header(&execution, "message-1", time() + Duration::seconds(1));
    let claim = record.claim(&again, lease()).await.unwrap();
    assert_eq!(claim, Claim::Granted, "the same message claims again");

    let at_lease = header(&execution, "message-2", again.claimed + lease());
    let claim = record.claim(&at_lease, lease()).await.unwrap();
    assert!(matches!(claim, Claim::Held(_)), "its lease is not over");
    let after = header(
        &execution,
        "message-2",
        again.claimed + lease() + Duration::milliseconds(1),
    );
    assert_eq!(record.claim(&after, lease()).await.unwrap(), Claim::Granted);
    assert_eq!(
        record.header(&execution).await.unwrap(),
        Some(after.clone())
    );

    record.mark_started(&execution).await.unwrap();
    record.mark_started(&execution).await.unwrap();
    let late = header(&execution, "message-2", time() + Duration::days(30));
    let Claim::Held(held) = record.claim(&late, lease()).await.unwrap() else {
        panic!("a started execution was claimed again");
    };
    assert!(held.started);
    assert_eq!(held.digest(), after.digest());
    let missing = record.mark_started(&unique("none")).await;
    assert!(missing.is_err(), "there is nothing to mark");
}

async fn a_sealed_execution_is_not_claimed_again(record: &dyn Record) {
    // Whoever claimed it died before it could say that StartExecution had answered.
    let execution = claimed(record).await;
    record.put_seal(&execution, time()).await.unwrap();
    let sealed = record.header(&execution).await.unwrap().unwrap();
    for message in ["message-1", "message-2"] {
        let late = header(&execution, message, time() + Duration::days(1));
        let claim = record.claim(&late, lease()).await.unwrap();
        assert_eq!(claim, Claim::Held(Box::new(sealed.clone())), "{message}");
    }
    let evidence = record.evidence(&execution).await.unwrap();
    assert_eq!(chain::verify(&evidence), []);
}

async fn claims_write_their_pointers(record: &dyn Record) {
    let execution = claimed(record).await;
    let pointers = [
        Pointer::time(&execution, time()),
        Pointer::image(&execution, "photos", &execution, notified()),
    ];
    for pointer in pointers {
        let found = find_all(record, &pointer.g1pk, false, 100).await;
        let ours = found.iter().filter(|(it, _)| *it == execution);
        assert_eq!(ours.map(|(_, it)| it).collect::<Vec<_>>(), [&pointer]);
    }
}

async fn find_all(
    record: &dyn Record,
    partition: &str,
    newest_first: bool,
    limit: u32,
) -> Vec<(String, Pointer)> {
    let mut all = Vec::new();
    let mut next = None;
    loop {
        let page = record
            .find(partition, newest_first, limit, next.as_deref())
            .await
            .unwrap();
        assert!(page.items.len() <= limit as usize);
        all.extend(page.items.into_iter().map(|it| (it.execution, it.pointer)));
        next = page.next;
        if next.is_none() {
            return all;
        }
    }
}

fn assert_chain(events: &[Event]) {
    let mut prev = chain::GENESIS.to_owned();
    for (seq, event) in (1..).zip(events) {
        assert_eq!((event.seq, &event.prev), (seq, &prev));
        assert_eq!(event.hash, chain::hash(event), "event {seq}");
        prev.clone_from(&event.hash);
    }
}

async fn appends_form_a_chain(record: &dyn Record) {
    let execution = unique("20261121");
    let lane = Lane::Trunk;
    assert_eq!(record.append(&[], &[]).await.unwrap(), []);
    assert_eq!(record.lane(&execution, &lane).await.unwrap(), []);
    let first = record
        .append(&[draft(&execution, &lane, 0)], &[])
        .await
        .unwrap();
    let both = [draft(&execution, &lane, 1), draft(&execution, &lane, 2)];
    let pointer = Pointer::failure(&execution, &unique("f"), time());
    let more = record
        .append(&both, std::slice::from_ref(&pointer))
        .await
        .unwrap();
    let stored = record.lane(&execution, &lane).await.unwrap();
    assert_eq!(stored, [first, more].concat());
    assert_eq!(stored.len(), 3);
    assert_chain(&stored);
    let found = find_all(record, &pointer.g1pk, false, 10).await;
    assert_eq!(found, [(execution.clone(), pointer)]);
    assert_eq!(record.events(&execution).await.unwrap(), stored);
}

async fn duplicate_appends_change_nothing(record: &dyn Record) {
    // Invariant 1.
    let execution = unique("20261121");
    let lane = Lane::Branch("label".into());
    let drafts = [draft(&execution, &lane, 0), draft(&execution, &lane, 1)];
    let stored = record.append(&drafts, &[]).await.unwrap();
    // The same ids with another time: what is stored stays, and is what is answered.
    let mut later = drafts.clone();
    later[0].time += Duration::hours(1);
    assert_eq!(record.append(&later, &[]).await.unwrap(), stored);
    // A known one, a new one, and the new one again in the same call.
    let new = draft(&execution, &lane, 2);
    let mixed = [drafts[1].clone(), new.clone(), new];
    let answer = record.append(&mixed, &[]).await.unwrap();
    assert_eq!(answer.len(), 3);
    assert_eq!(answer[0], stored[1]);
    assert_eq!(answer[1], answer[2]);
    let lane = record.lane(&execution, &lane).await.unwrap();
    assert_eq!(lane.len(), 3);
    assert_chain(&lane);
}

/// Appends until the lane's other writers let it: a store may answer `Conflict` under contention.
async fn append_patiently(record: &dyn Record, drafts: &[Draft]) -> Vec<Event> {
    for _ in 0..100 {
        match record.append(drafts, &[]).await {
            Ok(events) => return events,
            Err(RecordError::Conflict(_)) => {}
            Err(error) => panic!("{error}"),
        }
    }
    panic!("an append was refused a hundred times");
}

async fn appends_race_on_one_lane(record: &dyn Record) {
    // Invariant 1: twelve writers, each event by two of them.
    let execution = unique("20261121");
    let lane = Lane::Trunk;
    let drafts: Vec<_> = (0..12).map(|n| [draft(&execution, &lane, n % 6)]).collect();
    let answers = join_all(drafts.iter().map(|it| append_patiently(record, it))).await;
    let stored = record.lane(&execution, &lane).await.unwrap();
    assert_eq!(stored.len(), 6, "each event once");
    assert_chain(&stored);
    for answer in answers {
        assert!(stored.contains(&answer[0]));
    }
}

async fn lanes_do_not_contend(record: &dyn Record) {
    let execution = unique("20261121");
    let lanes = ["a", "b"].map(|name| Lane::Branch(name.into()));
    let writers = lanes.iter().map(|lane| {
        let execution = &execution;
        async move {
            for attempt in 0..8 {
                // One writer a lane: no conflict, ever.
                let drafts = [draft(execution, lane, attempt)];
                let stored = record.append(&drafts, &[]).await.unwrap();
                assert_eq!(stored[0].seq, u64::from(attempt) + 1);
            }
        }
    });
    join_all(writers).await;
    for lane in &lanes {
        let stored = record.lane(&execution, lane).await.unwrap();
        assert_eq!(stored.len(), 8);
        assert_chain(&stored);
    }
    assert_eq!(record.events(&execution).await.unwrap().len(), 16);
}

async fn appends_are_checked(record: &dyn Record) {
    let execution = unique("20261121");
    let pointer = Pointer::failure(&execution, "f", time());
    let refused = record.append(&[], std::slice::from_ref(&pointer)).await;
    assert!(refused.is_err(), "pointers without an execution");
    let lanes = [
        draft(&execution, &Lane::Trunk, 0),
        draft(&execution, &Lane::Operator, 0),
    ];
    assert!(record.append(&lanes, &[]).await.is_err(), "two lanes");
    assert_eq!(record.events(&execution).await.unwrap(), []);
}

async fn unicode_and_large_events_survive(record: &dyn Record) {
    let execution = unique("20261121");
    let mut large = draft(&execution, &Lane::Trunk, 0);
    large.subject = "photos/\u{1F3DE} 여름\u{7f}\u{2028}/\"\\a+b%20.jpg".into();
    large.data = EventData::BranchCompleted {
        branch: "label".into(),
        version: "1".into(),
        input_sha256: "0".repeat(64),
        outputs: Vec::new(),
        details: serde_json::json!({
            "score": 0.1 + 0.2, "tiny": 5e-324, "huge": 1.7e308, "third": 1.0 / 3.0,
            "text": "사진 ".repeat(2_000), "nested": [null, true, {"": []}],
        }),
    };
    let stored = record.append(&[large.clone()], &[]).await.unwrap();
    assert_eq!(stored[0].data, large.data);
    assert_eq!(stored[0].subject, large.subject);
    let read = record.lane(&execution, &Lane::Trunk).await.unwrap();
    assert_eq!(read, stored);
    assert_chain(&read);
}

async fn seals_bind_what_is_there(record: &dyn Record) {
    let execution = claimed(record).await;
    assert_eq!(record.seal(&execution).await.unwrap(), None);
    let drafts = [0, 1].map(|attempt| draft(&execution, &Lane::Trunk, attempt));
    record.append(&drafts, &[]).await.unwrap();
    let label = Lane::Branch("label".into());
    record
        .append(&[draft(&execution, &label, 0)], &[])
        .await
        .unwrap();
    let seal = record.put_seal(&execution, time()).await.unwrap();
    assert_eq!((seal.epoch, seal.prev.as_str()), (0, chain::GENESIS));
    assert_eq!(
        seal.lanes.keys().collect::<Vec<_>>(),
        [&Lane::Trunk, &label]
    );
    assert_eq!(seal.lanes[&Lane::Trunk].seq, 2);
    assert_eq!(seal.hash, seal.expected_hash());

    let later = time() + Duration::hours(1);
    let same = record.put_seal(&execution, later).await.unwrap();
    assert_eq!(same, seal, "nothing new to seal");
    let op = [draft(&execution, &Lane::Operator, 0)];
    record.append(&op, &[]).await.unwrap();
    let second = record.put_seal(&execution, later).await.unwrap();
    assert_eq!((second.epoch, &second.prev), (1, &seal.hash));
    assert_eq!(record.seal(&execution).await.unwrap(), Some(second.clone()));

    // Racing sealers make one seal.
    record
        .append(&[draft(&execution, &Lane::Operator, 1)], &[])
        .await
        .unwrap();
    let racing = (0..4).map(|_| record.put_seal(&execution, later));
    for seal in join_all(racing).await {
        assert_eq!(seal.unwrap().epoch, 2);
    }
    let evidence = record.evidence(&execution).await.unwrap();
    assert_eq!(evidence.seals.len(), 3);
    assert_eq!(chain::verify(&evidence), []);
    let missing = record.put_seal(&unique("none"), later).await;
    assert!(missing.is_err(), "there is nothing to seal");
}

async fn summaries_are_replaced(record: &dyn Record) {
    let execution = claimed(record).await;
    assert_eq!(record.summary(&execution).await.unwrap(), None);
    let header = record.header(&execution).await.unwrap().unwrap();
    let mut summary = Summary::of(&header, &[]);
    record.put_summary(&summary).await.unwrap();
    summary.error = Some(ErrorInfo::new("Image.Empty", "no bytes"));
    record.put_summary(&summary).await.unwrap();
    assert_eq!(record.summary(&execution).await.unwrap(), Some(summary));
}

async fn pages_come_in_order(record: &dyn Record) {
    let fingerprint = unique("f");
    let mut expected = Vec::new();
    for number in 0..7 {
        let execution = unique("20261121");
        // Two of each time: the execution's name decides.
        let at = time() + Duration::seconds(i64::from(number / 2));
        let mut pointer = Pointer::failure(&execution, &fingerprint, at);
        pointer.g1pk = format!("F#{fingerprint}");
        let drafts = [draft(&execution, &Lane::Trunk, 0)];
        let pointers = [pointer.clone()];
        record.append(&drafts, &pointers).await.unwrap();
        // Written again, it is still one.
        record.append(&drafts, &pointers).await.unwrap();
        expected.push((execution, pointer));
    }
    expected.sort_by(|(_, a), (_, b)| a.g1sk.cmp(&b.g1sk));
    let partition = format!("F#{fingerprint}");
    for limit in [1, 2, 3, 7, 100] {
        let found = find_all(record, &partition, false, limit).await;
        assert_eq!(found, expected, "in pages of {limit}");
    }
    expected.reverse();
    for limit in [1, 3, 100] {
        let found = find_all(record, &partition, true, limit).await;
        assert_eq!(found, expected, "newest first, in pages of {limit}");
    }
    let none = find_all(record, &unique("F#none"), false, 10).await;
    assert_eq!(none, []);
}

async fn executions_are_listed(record: &dyn Record) {
    let prefix = unique("00000000");
    let names: BTreeSet<_> = (0..5).map(|n| format!("{prefix}-{n}")).collect();
    for name in &names {
        let drafts = [0, 1].map(|attempt| draft(name, &Lane::Trunk, attempt));
        record.append(&drafts, &[]).await.unwrap();
    }
    for limit in [1, 2, 1_000] {
        let mut found = Vec::new();
        let mut after = Some(prefix.clone());
        loop {
            let page = record.executions(after.as_deref(), limit).await.unwrap();
            assert!(page.len() <= limit as usize);
            after = page.last().cloned();
            let ours = page.iter().filter(|it| it.starts_with(&prefix));
            found.extend(ours.cloned());
            if page.last().is_none_or(|last| !last.starts_with(&prefix)) {
                break;
            }
        }
        assert!(found.iter().eq(&names), "in pages of {limit}");
    }
    let first = record.executions(None, 1).await.unwrap();
    assert_eq!(first.len(), 1);
}

async fn evidence_is_whole(record: &dyn Record) {
    let none = record.evidence(&unique("none")).await.unwrap();
    assert!(none.header.is_none() && none.events.is_empty() && !none.ended);

    let execution = claimed(record).await;
    for lane in [Lane::Trunk, Lane::History, Lane::Branch("label".into())] {
        let drafts = [0, 1].map(|attempt| draft(&execution, &lane, attempt));
        record.append(&drafts, &[]).await.unwrap();
    }
    let evidence = record.evidence(&execution).await.unwrap();
    assert!(!evidence.ended);
    assert_eq!(chain::verify(&evidence), []);
    let header = record.header(&execution).await.unwrap().unwrap();
    let summary = Summary::of(&header, &[]);
    record.put_summary(&summary).await.unwrap();
    let seal = record.put_seal(&execution, time()).await.unwrap();
    let evidence = record.evidence(&execution).await.unwrap();
    assert!(evidence.ended);
    assert_eq!(evidence.execution, execution);
    assert_eq!(evidence.header, Some(header));
    assert_eq!(evidence.seals, [(key::seal(0), seal)]);
    assert_eq!(evidence.unreadable, []);
    assert_eq!(evidence.events.len(), 6);
    for (sk, event) in &evidence.events {
        assert_eq!(*sk, key::event(&event.lane, event.seq));
    }
    assert_eq!(chain::verify(&evidence), []);
}

async fn several_steps_in_one_call(record: &dyn Record) {
    // Invariants 1 and 2: each call twice, as after one that broke off.
    let execution = unique("20261121");
    let claim = header(&execution, "message-1", time());
    let received = [draft(&execution, &Lane::Trunk, 0)];
    for _ in 0..2 {
        let answer = record.claim_with(&claim, lease(), &received).await;
        assert_eq!(answer.unwrap(), Claim::Granted);
    }
    let other = header(&execution, "message-2", time());
    let not_ours = [draft(&execution, &Lane::Trunk, 1)];
    let answer = record.claim_with(&other, lease(), &not_ours).await;
    assert!(matches!(answer.unwrap(), Claim::Held(_)));
    let trunk = record.lane(&execution, &Lane::Trunk).await.unwrap();
    assert_eq!(
        trunk.len(),
        1,
        "a claim that is not granted appends nothing"
    );

    let started = [draft(&execution, &Lane::Trunk, 2)];
    for _ in 0..2 {
        record
            .mark_started_with(&execution, &started)
            .await
            .unwrap();
    }
    assert!(record.header(&execution).await.unwrap().unwrap().started);

    let appends = [Lane::History, Lane::Operator].map(|lane| Append {
        drafts: vec![draft(&execution, &lane, 0)],
        pointers: Vec::new(),
    });
    for _ in 0..2 {
        let summary = record.close(&execution, &appends, time()).await.unwrap();
        assert_eq!(record.summary(&execution).await.unwrap(), Some(summary));
    }
    let seal = record.seal(&execution).await.unwrap().unwrap();
    assert_eq!((seal.epoch, seal.lanes.len()), (0, 3));
    assert_eq!(seal.lanes[&Lane::Trunk].seq, 2);
    let evidence = record.evidence(&execution).await.unwrap();
    assert_eq!(chain::verify(&evidence), []);
}
