//! Documents for each rule of `docs/verification.md`, and what a verifier must say of each. A wrong document breaks
//! one rule and keeps all others, its signature included; where it cannot, the rule that comes first in the
//! checklist counts.

mod chain;
mod envelope;
mod payload;
mod policy;
mod right;

use crate::authority::{Authority, Draft, NOW};
use attestation::{Code, Root};
use serde_json::{Value, json};
use std::path::Path;
use std::{fs, io};

/// One document, and the question that is asked about it.
pub(crate) struct Case {
    /// Of its own in the suite; also the file's name.
    pub(crate) name: String,
    /// The rule that it shows kept or broken, for people.
    pub(crate) rule: String,
    pub(crate) document: Vec<u8>,
    /// The roots that the verifier holds.
    pub(crate) roots: Vec<Root>,
    /// The verifier's time, in Unix seconds.
    pub(crate) clock: u64,
    /// As in `policy.schema.json`; without one, it is only asked whether the document is genuine.
    pub(crate) policy: Option<Value>,
    /// The code of the refusal; `None` if the document must be accepted.
    pub(crate) expected: Option<Code>,
}

impl Case {
    /// A document that must be accepted at [`NOW`] by who holds `root`.
    pub(crate) fn new(name: &str, rule: &str, document: Vec<u8>, root: &Root) -> Self {
        Self {
            name: name.into(),
            rule: rule.into(),
            document,
            roots: vec![root.clone()],
            clock: NOW,
            policy: None,
            expected: None,
        }
    }

    /// `draft`, signed by `authority`'s leaf.
    fn signed(authority: &Authority, draft: &Draft, name: &str, rule: &str) -> Self {
        Self::new(name, rule, authority.sign(draft), &draft.root)
    }

    fn refused(self, code: Code) -> Self {
        let expected = Some(code);
        Self { expected, ..self }
    }

    fn at(self, clock: u64) -> Self {
        Self { clock, ..self }
    }

    fn under(self, roots: Vec<Root>) -> Self {
        Self { roots, ..self }
    }

    fn policy(self, policy: Value) -> Self {
        let policy = Some(policy);
        Self { policy, ..self }
    }
}

/// The whole suite, in the order of the checklist.
pub(crate) fn cases() -> Vec<Case> {
    [
        right::cases(),
        envelope::cases(),
        payload::cases(),
        chain::cases(),
        policy::cases(),
    ]
    .into_iter()
    .flatten()
    .collect()
}

/// Writes documents, roots and `manifest.json` to `folder`, which is made where it is not there.
pub(crate) fn write(folder: &Path, cases: &[Case]) -> io::Result<()> {
    fs::create_dir_all(folder)?;
    let mut roots: Vec<&Root> = Vec::new();
    let mut entries = Vec::new();
    for case in cases {
        let file = format!("{}.cbor", case.name);
        fs::write(folder.join(&file), &case.document)?;
        let held: Vec<_> = case
            .roots
            .iter()
            .map(|root| root_file(root, &mut roots))
            .collect();
        entries.push(json!({
            "name": case.name,
            "rule": case.rule,
            "file": file,
            "roots": held,
            "clock": case.clock,
            "policy": case.policy,
            "expected": case.expected.map_or("verified", Code::as_str),
        }));
    }
    for (index, root) in roots.iter().enumerate() {
        fs::write(folder.join(format!("root-{index}.der")), root.der())?;
    }
    let manifest = format!("{:#}\n", json!({ "documents": entries }));
    fs::write(folder.join("manifest.json"), manifest)
}

/// The file of `root`, which is noted among those to be written.
fn root_file<'c>(root: &'c Root, roots: &mut Vec<&'c Root>) -> String {
    let index = roots.iter().position(|known| *known == root).unwrap_or_else(|| {
        roots.push(root);
        roots.len() - 1
    });
    format!("root-{index}.der")
}
