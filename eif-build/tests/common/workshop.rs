//! The program in a folder with all that it needs.
use std::{
    fs,
    path::Path,
    process::{Command, Output},
};

use serde_json::Value;
use tempfile::{TempDir, tempdir};

use super::eif::certificate;

pub(crate) const CURVE: &rcgen::SignatureAlgorithm = &rcgen::PKCS_ECDSA_P384_SHA384;

/// A folder in which the program runs, with a bundle, a kernel, ramdisks, a certificate and its key.
pub(crate) struct Workshop(TempDir);

impl Workshop {
    pub(crate) fn new() -> Self {
        let folder = tempdir().unwrap();
        let put = |name: &str, content: &[u8]| fs::write(folder.path().join(name), content).unwrap();
        put("kernel", &[1; 5000]);
        put("boot", &[2; 1000]);
        put("application", &[3; 2000]);
        put("agent", b"agent");
        let (certificate, key) = certificate(CURVE);
        put("certificate.pem", certificate.as_bytes());
        put("key.pem", key.as_bytes());
        let workshop = Self(folder);
        workshop.done("bundle create --kernel kernel --cmdline quiet --agent agent");
        workshop
    }

    pub(crate) fn path(&self) -> &Path {
        self.0.path()
    }

    pub(crate) fn command(&self, arguments: &str) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_treza-eif"));
        command
            .args(arguments.split(' '))
            .current_dir(self.path())
            .env("TREZA_BUNDLES", self.path().join("bundles"))
            .env("XDG_CACHE_HOME", self.path().join("cache"))
            .env_remove("SOURCE_DATE_EPOCH")
            .env_remove("NITRO_CLI_BLOBS");
        command
    }

    pub(crate) fn run(&self, arguments: &str) -> Output {
        self.command(arguments).output().unwrap()
    }

    /// What it printed, with this code at its end.
    pub(crate) fn ended(&self, code: i32, arguments: &str) -> String {
        let output = self.run(arguments);
        let problem = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(code), "{arguments}: {problem}");
        String::from_utf8(output.stdout).unwrap()
    }

    pub(crate) fn done(&self, arguments: &str) -> String {
        self.ended(0, arguments)
    }

    pub(crate) fn json(&self, code: i32, arguments: &str) -> Value {
        serde_json::from_str(&self.ended(code, arguments)).unwrap()
    }

    pub(crate) fn build(&self, output: &str, more: &str) {
        let files = "--kernel kernel --cmdline quiet --ramdisk boot --ramdisk application";
        self.done(format!("build {files} --output {output} {more}").trim());
    }
}

pub(crate) const SIGN: &str = "--signing-certificate certificate.pem --private-key key.pem";
