//! Objects by their URI: `s3://bucket/key`, or `file:/path`.

use crate::connection::Connection;
use crate::error::{Error, MAX_CAUSES};
use contract::fault::causes;
use std::io::{self, Write};
use std::path::Path;

/// Brings the object at `uri` to the file `to`, which appears whole or not at all. An object over `limit` bytes is
/// refused.
pub async fn fetch(uri: &str, to: &Path, limit: u64, connection: &Connection) -> Result<(), Error> {
    let failed = |problem: String| Error::Object {
        uri: contract::fault::printable(uri, 256),
        problem,
    };
    let folder = to.parent().unwrap_or(Path::new("."));
    let mut file =
        tempfile::NamedTempFile::new_in(folder).map_err(|e| failed(format!("{}: {e}", folder.display())))?;
    if let Some(path) = uri.strip_prefix("file:") {
        copy(Path::new(path), file.as_file_mut(), limit).map_err(failed)?;
    } else if let Some((bucket, key)) = uri.strip_prefix("s3://").and_then(|rest| rest.split_once('/')) {
        download(bucket, key, file.as_file_mut(), limit, connection)
            .await
            .map_err(failed)?;
    } else {
        return Err(failed("is neither s3://bucket/key nor file:/path".into()));
    }
    file.persist(to)
        .map_err(|error| failed(format!("{}: {}", to.display(), error.error)))?;
    Ok(())
}

/// The size in bytes of the object at `uri`.
pub async fn size(uri: &str, connection: &Connection) -> Result<u64, Error> {
    let failed = |problem: String| Error::Object {
        uri: contract::fault::printable(uri, 256),
        problem,
    };
    if let Some(path) = uri.strip_prefix("file:") {
        return std::fs::metadata(path)
            .map(|metadata| metadata.len())
            .map_err(|error| failed(format!("cannot be read: {error}")));
    }
    let Some((bucket, key)) = uri.strip_prefix("s3://").and_then(|rest| rest.split_once('/')) else {
        return Err(failed("is neither s3://bucket/key nor file:/path".into()));
    };
    let answer = connection.s3().await.head_object().bucket(bucket).key(key).send();
    let object = answer.await.map_err(|error| failed(not_fetched(&error)))?;
    Ok(object
        .content_length
        .and_then(|length| u64::try_from(length).ok())
        .unwrap_or(0))
}

/// Removes the object at the `s3://` URI `uri`, if it is there.
pub async fn remove(uri: &str, connection: &Connection) -> Result<(), Error> {
    let failed = |problem: String| Error::Object {
        uri: contract::fault::printable(uri, 256),
        problem,
    };
    let (bucket, key) = uri
        .strip_prefix("s3://")
        .and_then(|rest| rest.split_once('/'))
        .ok_or_else(|| failed("is not s3://bucket/key".into()))?;
    let client = connection.s3().await;
    let answer = client.delete_object().bucket(bucket).key(key).send().await;
    answer.map(drop).map_err(|error| {
        let cause = causes(&error, MAX_CAUSES);
        failed(format!(
            "cannot be removed: {cause}; check bucket, key, region and permission"
        ))
    })
}

fn not_fetched(error: &(impl std::error::Error + 'static)) -> String {
    let cause = causes(error, MAX_CAUSES);
    format!("cannot be fetched: {cause}; check bucket, key, region and permission")
}

fn copy(from: &Path, to: &mut impl Write, limit: u64) -> Result<(), String> {
    let said = |error: io::Error| format!("cannot be read: {error}");
    // Not blocking, so that a named pipe cannot hold the reader for ever.
    let metadata = std::fs::metadata(from).map_err(said)?;
    if !metadata.is_file() {
        return Err("is not a regular file".into());
    }
    let source = std::fs::File::open(from).map_err(said)?;
    let copied = io::copy(&mut io::Read::take(source, limit.saturating_add(1)), to).map_err(said)?;
    if copied > limit {
        Err(too_large(limit))
    } else {
        Ok(())
    }
}

async fn download(
    bucket: &str,
    key: &str,
    to: &mut impl Write,
    limit: u64,
    connection: &Connection,
) -> Result<(), String> {
    let client = connection.s3().await;
    let answer = client.get_object().bucket(bucket).key(key).send().await;
    let mut object = answer.map_err(|error| not_fetched(&error))?;
    let mut size: u64 = 0;
    while let Some(part) = object.body.next().await {
        let part = part.map_err(|error| format!("broke off after {size} bytes: {error}"))?;
        size = size.saturating_add(part.len() as u64);
        if size > limit {
            return Err(too_large(limit));
        }
        to.write_all(&part)
            .map_err(|error| format!("cannot be written: {error}"))?;
    }
    Ok(())
}

fn too_large(limit: u64) -> String {
    format!("is larger than {limit} bytes")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn nowhere() -> Connection {
        Connection {
            endpoint: None,
            s3_endpoint: Some("http://127.0.0.1:1".into()),
            profile: None,
            region: "us-west-2".into(),
        }
    }

    #[tokio::test]
    async fn a_file_comes_whole_or_not_at_all() {
        let folder = tempfile::tempdir().unwrap();
        let (from, to) = (folder.path().join("from"), folder.path().join("to"));
        std::fs::write(&from, b"12345").unwrap();
        let uri = format!("file:{}", from.display());
        assert!(
            fetch(&uri, &to, 4, &nowhere())
                .await
                .unwrap_err()
                .to_string()
                .contains("larger than 4")
        );
        assert!(!to.exists());
        fetch(&uri, &to, 5, &nowhere()).await.unwrap();
        assert_eq!(std::fs::read(&to).unwrap(), b"12345");
        assert_eq!(
            std::fs::read_dir(folder.path()).unwrap().count(),
            2,
            "no temporary file stays"
        );
    }

    #[tokio::test]
    async fn what_cannot_be_fetched_says_why() {
        let folder = tempfile::tempdir().unwrap();
        let to = folder.path().join("to");
        for uri in [
            "file:/nowhere",
            "file:/dev/zero",
            "https://x/y",
            "s3://bucket/key",
        ] {
            let error = fetch(uri, &to, 10, &nowhere()).await.unwrap_err().to_string();
            assert!(error.starts_with(uri), "{error}");
        }
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
    }
}
