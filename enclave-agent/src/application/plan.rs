//! What the application's first process is told, and what it answers.

use super::Place;
use contract::image::{ImageDescription, Xattr};
use contract::launch::LaunchMessage;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// Docker's PATH for images that name none.
const DEFAULT_PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// An application to be started: what the agent tells its first process, as JSON.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Plan {
    /// The image's files.
    pub(super) root: PathBuf,
    /// The command line, not empty.
    pub(super) arguments: Vec<String>,
    /// The environment.
    pub(super) environment: BTreeMap<String, String>,
    /// Where it starts, within the image.
    pub(super) working_dir: String,
    /// Whom it runs as.
    pub(super) uid: u32,
    /// Its group.
    pub(super) gid: u32,
    /// Its other groups.
    pub(super) groups: Vec<u32>,
    /// Its host name.
    pub(super) hostname: String,
    /// The device number of /dev/nsm, where the image asks for the device and there is one.
    pub(super) nsm: Option<u64>,
    /// What the ramdisk could not carry.
    pub(super) xattrs: Vec<Xattr>,
}

/// How a started application ended: what its first process answers, one line of JSON.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Outcome {
    /// With an exit code.
    Exited(i32),
    /// By a signal.
    Killed(i32),
    /// It could not be started, and cannot be: `code` is 127 where there is no such program, 126 for all else.
    NotStarted {
        /// As shells and container engines have it.
        code: i32,
        /// What is wrong, for people.
        reason: String,
    },
}

impl Plan {
    /// How the application of `image` is started for `launch`.
    pub(super) fn new(place: &Place, image: &ImageDescription, launch: &LaunchMessage) -> Self {
        Self {
            root: place.root.clone(),
            arguments: image.command_line().map(str::to_owned).collect(),
            environment: environment(image, launch),
            working_dir: image.working_dir.clone(),
            uid: image.user.uid,
            gid: image.user.gid,
            groups: image.user.groups.clone(),
            hostname: launch.record_id.clone(),
            nsm: if image.nsm {
                device_number(&place.nsm)
            } else {
                None
            },
            xattrs: image.xattrs.clone(),
        }
    }
}

/// The defaults, over them the image's variables, over them those of the launch message.
fn environment(image: &ImageDescription, launch: &LaunchMessage) -> BTreeMap<String, String> {
    let defaults = [
        ("PATH", DEFAULT_PATH),
        ("HOME", &image.user.home),
        ("HOSTNAME", &launch.record_id),
    ];
    let of_image = image.env.iter().filter_map(|entry| entry.split_once('='));
    let of_launch = launch
        .environment
        .iter()
        .map(|variable| (&*variable.name, &*variable.value));
    defaults
        .into_iter()
        .chain(of_image)
        .chain(of_launch)
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect()
}

fn device_number(path: &Path) -> Option<u64> {
    match std::fs::metadata(path) {
        Ok(found) => Some(found.rdev()),
        Err(error) => {
            crate::say!(
                "the image asks for {}, which this enclave does not have: {error}",
                path.display()
            );
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::examples;

    #[test]
    fn the_environment_has_defaults_and_the_launch_message_wins() {
        let mut image = examples::image();
        let launch = examples::launch();
        let plan = Plan::new(&Place::default(), &image, &launch);
        let named = |name: &str| plan.environment.get(name).map(String::as_str);
        assert_eq!(
            named("PATH"),
            Some("/usr/bin:/bin"),
            "the image's, not the default"
        );
        assert_eq!(named("HOME"), Some("/var/www"));
        assert_eq!(named("HOSTNAME"), Some("enc_1"));
        assert_eq!(named("BOTH"), Some("of the launch"));
        assert_eq!(named("ONLY_IMAGE"), Some("a=b"));

        image.env.clear();
        let plan = Plan::new(&Place::default(), &image, &launch);
        assert_eq!(
            plan.environment.get("PATH").map(String::as_str),
            Some(DEFAULT_PATH)
        );
    }

    #[test]
    fn only_an_image_that_asks_gets_the_device() {
        let mut image = examples::image();
        let place = Place {
            nsm: "/dev/null".into(),
            ..Place::default()
        };
        assert_eq!(Plan::new(&place, &image, &examples::launch()).nsm, None);
        image.nsm = true;
        assert!(Plan::new(&place, &image, &examples::launch()).nsm.is_some());
        let without = Place {
            nsm: "/dev/no-such-device".into(),
            ..place
        };
        assert_eq!(Plan::new(&without, &image, &examples::launch()).nsm, None);
    }
}
