//! What the fuzz targets do with an input. The tests do the same with the seeds (`tests/seeds.rs`).

use contract::report::Report;
use contract::request::EnclaveRequest;
use contract::row::Row;
use contract::stream::Batch;
use serde_json::Value;

/// A batch of a stream: none of its records is lost or comes twice, those of one item keep their order, and what they hold
/// is read on as the pipeline reads it.
pub fn batch(input: &[u8]) {
    let Ok(event) = serde_json::from_slice::<Value>(input) else {
        return;
    };
    let Ok(batch) = Batch::read(&event) else {
        return;
    };
    let sequence = |record: &Value| record["dynamodb"]["SequenceNumber"].as_str().map(str::to_owned);
    let given: Vec<_> = event["Records"]
        .as_array()
        .unwrap()
        .iter()
        .map(sequence)
        .collect();

    let poison = batch.poison.iter().map(|poison| &poison.sequence);
    let records = batch.items.iter().flatten();
    let mut found: Vec<_> = records
        .map(|record| &record.sequence)
        .chain(poison)
        .map(|sequence| Some(sequence.clone()))
        .collect();
    let mut sorted = given.clone();
    found.sort();
    sorted.sort();
    assert_eq!(found, sorted, "each record once");

    for item in batch.items {
        let mut rest = given.iter();
        for record in item {
            let number = Some(record.sequence.clone());
            assert!(rest.any(|given| *given == number), "out of order");
            for image in [record.old, record.new].into_iter().flatten() {
                let _ = EnclaveRequest::read(&image, "us-west-2");
                let _ = Report::read(image.clone());
                let _ = Row::read(image);
            }
        }
    }
}
