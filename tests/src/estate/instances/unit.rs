//! The systemd unit among the user data's files: what is started, and how soon it is started again.

use super::user_data::rerooted;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

const UNIT: &str = "/etc/systemd/system/treza-host.service";

/// What the unit says, with the instance's root before each path.
#[derive(Debug, PartialEq)]
pub(super) struct Unit {
    pub(super) program: PathBuf,
    pub(super) words: Vec<String>,
    /// Until it is started again when it ends by itself; none: it is not.
    pub(super) restart: Option<Duration>,
    /// Where its output goes.
    pub(super) log: PathBuf,
}

impl Unit {
    pub(super) fn read(root: &Path) -> Result<Self, String> {
        let text = fs::read_to_string(rerooted(root, Path::new(UNIT))?);
        let text = text.map_err(|error| format!("{UNIT}: {error}"))?;
        let setting = |name: &str| {
            let lines = text.lines().filter_map(|line| line.split_once('='));
            lines
                .filter(|(its, _)| *its == name)
                .map(|(_, value)| value.trim())
                .next_back()
        };
        let needed = |name: &str| setting(name).ok_or_else(|| format!("{UNIT} has no {name}"));
        let under = |word: &str| match word.starts_with('/') {
            true => rerooted(root, Path::new(word)).map(|path| path.to_string_lossy().into_owned()),
            false => Ok(word.to_owned()),
        };
        let mut words = needed("ExecStart")?.split_whitespace().map(under);
        let program = words.next().ok_or_else(|| format!("{UNIT} starts nothing"))??;
        let log = needed("StandardError")?
            .strip_prefix("append:")
            .unwrap_or("/var/log/treza-host.log");
        let seconds = setting("RestartSec")
            .unwrap_or("0.1")
            .parse()
            .map_err(|error| format!("{UNIT}: {error}"))?;
        Ok(Self {
            program: program.into(),
            words: words.collect::<Result<_, _>>()?,
            restart: (setting("Restart") == Some("always")).then(|| Duration::from_secs_f64(seconds)),
            log: under(log)?.into(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_unit_is_read_with_its_paths_under_the_root() {
        let root = tempfile::tempdir().unwrap();
        let file = rerooted(root.path(), Path::new(UNIT)).unwrap();
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        let text = "[Service]\nExecStart=/usr/local/bin/treza-host daemon --config /etc/treza/host.toml\n\
                    Restart=always\nRestartSec=2\nStandardError=append:/var/log/treza/host.log\n";
        fs::write(&file, text).unwrap();
        let unit = Unit::read(root.path()).unwrap();
        assert_eq!(unit.program, root.path().join("usr/local/bin/treza-host"));
        let configuration = root
            .path()
            .join("etc/treza/host.toml")
            .to_str()
            .unwrap()
            .to_owned();
        assert_eq!(
            unit.words,
            ["daemon".to_owned(), "--config".into(), configuration]
        );
        assert_eq!(
            (unit.restart, unit.log),
            (
                Some(Duration::from_secs(2)),
                root.path().join("var/log/treza/host.log")
            )
        );
        fs::write(&file, "[Service]\nStandardError=journal\n").unwrap();
        assert!(Unit::read(root.path()).is_err());
    }
}
