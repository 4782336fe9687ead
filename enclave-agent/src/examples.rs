//! What tests start from.

use contract::image::{Format, ImageDescription, User};
use contract::launch::{self, LaunchMessage, Variable, Workload};

pub(crate) fn image() -> ImageDescription {
    ImageDescription {
        format: Format::V1,
        digest: format!("sha256:{}", "ab".repeat(32)),
        entrypoint: vec!["/entrypoint".into()],
        cmd: vec!["nginx".into()],
        env: vec![
            "PATH=/usr/bin:/bin".into(),
            "ONLY_IMAGE=a=b".into(),
            "BOTH=of the image".into(),
        ],
        working_dir: "/".into(),
        user: User {
            uid: 33,
            gid: 33,
            groups: vec![],
            home: "/var/www".into(),
        },
        exposed_ports: vec![80],
        stop_signal: "SIGTERM".into(),
        nsm: false,
        xattrs: vec![],
    }
}

pub(crate) fn launch() -> LaunchMessage {
    LaunchMessage {
        kind: launch::TYPE.into(),
        record_id: "enc_1".into(),
        generation: 3,
        bundle: format!("sha256:{}", "0".repeat(64)),
        environment: vec![Variable {
            name: "BOTH".into(),
            value: "of the launch".into(),
        }],
        ports: vec![],
        probe: None,
        workload: Workload::Service,
        aws_services: vec![],
    }
}
