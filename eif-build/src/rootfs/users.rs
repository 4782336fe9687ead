//! Whom the image runs as, resolved in its own /etc/passwd and /etc/group, as Docker resolves it.
use contract::image::User;
use std::io::Read;

use super::{Error, Kind, Tree};

/// The largest passwd or group file that is looked at, in bytes.
const MAX_FILE: u64 = 1 << 20;

impl Tree {
    /// Resolves an image's `User`: empty (root), `user`, `uid`, `user:group`, `uid:gid`. Numbers need not be in the
    /// files, names must be.
    pub fn resolve_user(&self, user: &str) -> Result<User, Error> {
        let unknown = || Error::UnknownUser(contract::fault::printable(user, 100));
        let (name, group) = match user.split_once(':') {
            Some((name, group)) => (name, Some(group)),
            None => (user, None),
        };
        let name = if name.is_empty() { "0" } else { name };
        let passwd = self.read_text(b"etc/passwd")?;
        let groups = self.read_text(b"etc/group")?;

        // name:password:uid:gid:comment:home:shell, see passwd(5).
        let account = lines(&passwd)
            .filter_map(|line| {
                Some((
                    *line.first()?,
                    number(line.get(2)?)?,
                    number(line.get(3)?)?,
                    *line.get(5)?,
                ))
            })
            .find(|(account, uid, ..)| *account == name || Some(*uid) == number(name));
        let (uid, primary, home) = match account {
            Some((_, uid, gid, home)) => (uid, gid, home),
            None => (number(name).ok_or_else(unknown)?, 0, "/"),
        };

        // name:password:gid:members, see group(5). A group that is named replaces the account's own and its others.
        let group_lines = lines(&groups)
            .filter_map(|line| Some((*line.first()?, number(line.get(2)?)?, *line.get(3).unwrap_or(&""))));
        let (gid, mut others) = match group.filter(|group| !group.is_empty()) {
            Some(group) => {
                let found = group_lines
                    .map(|(name, gid, _)| (name, gid))
                    .find(|(name, gid)| *name == group || Some(*gid) == number(group));
                (
                    found
                        .map(|(_, gid)| gid)
                        .or_else(|| number(group))
                        .ok_or_else(unknown)?,
                    Vec::new(),
                )
            }
            None => {
                let member = account.map_or("", |(account, ..)| account);
                let has_member =
                    |members: &str| !member.is_empty() && members.split(',').any(|name| name == member);
                (
                    primary,
                    group_lines
                        .filter(|(.., members)| has_member(members))
                        .map(|(_, gid, _)| gid)
                        .collect(),
                )
            }
        };
        others.sort_unstable();
        others.dedup();
        let home = if home.starts_with('/') { home } else { "/" };
        Ok(User {
            uid,
            gid,
            groups: others,
            home: home.to_owned(),
        })
    }

    /// A text file of the image, empty if it is not there; bytes that are not UTF-8 are replaced.
    fn read_text(&self, path: &[u8]) -> Result<String, Error> {
        let found = self.follow(path).map_err(|problem| problem.at(path))?;
        let Some(Kind::File(extent)) = self.get(&found).map(|inode| &inode.kind) else {
            return Ok(String::new());
        };
        let mut bytes = Vec::new();
        self.spool()
            .read(*extent)
            .take(MAX_FILE)
            .read_to_end(&mut bytes)?;
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    }
}

fn lines(text: &str) -> impl Iterator<Item = Vec<&str>> {
    text.lines()
        .map(str::trim)
        .filter(|line| !line.starts_with('#'))
        .map(|line| line.split(':').collect())
}

fn number(text: &str) -> Option<u32> {
    text.bytes()
        .all(|digit| digit.is_ascii_digit())
        .then(|| text.parse().ok())?
}
