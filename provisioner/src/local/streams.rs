//! The tables' streams, read in the process: each record is handed on once its predecessor is done with, and the
//! position is kept after that. A pipeline that ends in between sees the record again.

use super::Error;
use super::state::write_atomically;
use contract::item::{self, Item};
use contract::stream::Record;
use dynoxide::Database;
use dynoxide::actions::describe_stream::DescribeStreamRequest;
use dynoxide::actions::get_records::{self, GetRecordsRequest};
use dynoxide::actions::get_shard_iterator::GetShardIteratorRequest;
use dynoxide::actions::list_streams::ListStreamsRequest;
use std::path::PathBuf;

/// The most records of one read.
const BATCH: usize = 100;

/// A table's stream, from where it was last read.
pub struct Stream {
    database: Database,
    table: String,
    arn: String,
    shard: String,
    position_file: PathBuf,
    position: Option<String>,
    iterator: Option<String>,
}

impl Stream {
    /// The stream of `table`; `position_file` says how far it was read, if it is there.
    pub fn open(database: Database, table: &str, position_file: PathBuf) -> Result<Self, Error> {
        let streams = database
            .list_streams(ListStreamsRequest {
                table_name: Some(table.to_owned()),
                ..Default::default()
            })
            .map_err(Error::database)?
            .streams;
        let arn = streams
            .into_iter()
            .next()
            .map(|stream| stream.stream_arn)
            .ok_or_else(|| Error::Database(format!("table {table} has no stream")))?;
        let shards = database
            .describe_stream(DescribeStreamRequest {
                stream_arn: arn.clone(),
                ..Default::default()
            })
            .map_err(Error::database)?
            .stream_description
            .shards;
        let shard = shards
            .into_iter()
            .next()
            .map(|shard| shard.shard_id)
            .ok_or_else(|| Error::Database(format!("the stream of table {table} has no shard")))?;
        let position = std::fs::read_to_string(&position_file)
            .ok()
            .map(|text| text.trim().to_owned())
            .filter(|text| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit()));
        Ok(Self {
            database,
            table: table.to_owned(),
            arn,
            shard,
            position_file,
            position,
            iterator: None,
        })
    }

    /// The records after those that are done with.
    pub fn read(&mut self) -> Result<Vec<Record>, Error> {
        let iterator = match self.iterator.take() {
            Some(iterator) => iterator,
            None => self.iterator_at_position()?,
        };
        let answer = self
            .database
            .get_records(GetRecordsRequest {
                shard_iterator: iterator,
                limit: Some(BATCH),
            })
            .map_err(Error::database)?;
        if answer.records.is_empty() {
            self.iterator = answer.next_shard_iterator;
        }
        Ok(answer.records.into_iter().map(record).collect())
    }

    /// Keeps that everything up to `sequence` is done with.
    pub fn done(&mut self, sequence: &str) -> Result<(), Error> {
        self.iterator = None;
        self.position = Some(sequence.to_owned());
        write_atomically(&self.position_file, sequence.as_bytes())
    }

    /// The table.
    pub fn table(&self) -> &str {
        &self.table
    }

    fn iterator_at_position(&self) -> Result<String, Error> {
        let kind = if self.position.is_some() {
            "AFTER_SEQUENCE_NUMBER"
        } else {
            "TRIM_HORIZON"
        };
        let answer = self
            .database
            .get_shard_iterator(GetShardIteratorRequest {
                stream_arn: self.arn.clone(),
                shard_id: self.shard.clone(),
                shard_iterator_type: kind.into(),
                sequence_number: self.position.clone(),
            })
            .map_err(Error::database)?;
        answer
            .shard_iterator
            .ok_or_else(|| Error::Database(format!("the stream of table {} cannot be read", self.table)))
    }
}

fn record(record: get_records::Record) -> Record {
    Record {
        sequence: record.dynamodb.sequence_number,
        old: record.dynamodb.old_image.and_then(image),
        new: record.dynamodb.new_image.and_then(image),
    }
}

/// An image in the contract's words. One that has none is left out: the trigger then finds nothing in it to act on.
fn image(image: dynoxide::Item) -> Option<Item> {
    let text = serde_json::to_string(&image).ok()?;
    item::read(&text).ok()
}
