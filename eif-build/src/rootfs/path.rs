//! Paths of layer entries: relative, without `.`, `..`, doubled or trailing slashes; the root is the empty path.
use super::Problem;

/// Brings an entry's path into its one spelling. Absolute paths and `..` are refused.
pub(crate) fn clean(raw: &[u8], limit: usize) -> Result<Vec<u8>, Problem> {
    if raw.is_empty() || raw.len() > limit || raw.contains(&0) {
        return Err(Problem::Path);
    }
    if raw.starts_with(b"/") {
        return Err(Problem::Absolute);
    }
    let mut clean = Vec::with_capacity(raw.len());
    for part in raw.split(|&byte| byte == b'/') {
        match part {
            b"" | b"." => {}
            b".." => return Err(Problem::Escape),
            name => push(&mut clean, name),
        }
    }
    Ok(clean)
}

/// Parent and name; the root has neither.
pub(crate) fn split(path: &[u8]) -> Option<(&[u8], &[u8])> {
    if path.is_empty() {
        return None;
    }
    Some(match path.iter().rposition(|&byte| byte == b'/') {
        Some(slash) => (path.get(..slash)?, path.get(slash + 1..)?),
        None => (&[], path),
    })
}

/// Appends a name to a path.
pub(super) fn push(path: &mut Vec<u8>, name: &[u8]) {
    if !path.is_empty() {
        path.push(b'/');
    }
    path.extend_from_slice(name);
}

/// Takes the last name off a path; false at the root.
pub(super) fn pop(path: &mut Vec<u8>) -> bool {
    let Some((parent, _)) = split(path) else {
        return false;
    };
    path.truncate(parent.len());
    true
}
