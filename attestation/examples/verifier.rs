//! A verifier for a service: parse, policy, verify, and act on the code of a refusal.
//!
//! ```text
//! cargo run --release -p attestation --example verifier -- DOCUMENT POLICY [ROOT.pem]
//! ```
//!
//! `DOCUMENT` holds the bytes that the enclave's secure module gave out, `POLICY` is a policy in TOML or JSON. AWS's
//! root is built in; `ROOT.pem` is another one to trust, such as a development root.

use attestation::{Attested, Code, Document, Policy, Refusal, Root, Verifier};
use std::error::Error;
use std::fs;
use std::process::ExitCode;
use std::time::{Duration, SystemTime};

/// How long the service remembers the nonces that it gave out, and so how old a document may be.
const MAX_AGE: Duration = Duration::from_secs(120);

/// The part of a service that decides whether an enclave is one of its own.
pub(crate) struct Gate {
    verifier: Verifier,
    policy: Policy,
}

/// What the service does about an enclave.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Answer {
    /// Let it in: it runs this release, if the policy names releases.
    Admit {
        release: Option<String>,
        compared: Vec<String>,
    },
    /// Ask it for a new document: this one is old, or answers another nonce.
    AskAgain,
    /// It is genuine but not what we expect: a wrong release or debug mode. Tell the operator.
    Reject(String),
    /// It is no genuine document at all: count it, and say no more to whoever sent it.
    Forged(Code),
}

impl Gate {
    /// `policy` is read once, at the start. A service that would accept anybody's enclave should not start, so a
    /// policy without an image is an error here, not only with the first document.
    pub(crate) fn new(policy: &str, roots: impl IntoIterator<Item = Root>) -> Result<Self, Box<dyn Error>> {
        let policy = Policy::read(policy)?.max_age(MAX_AGE);
        let measures_image =
            |pcrs: &attestation::PcrSet| pcrs.contains_key(&0) || policy.pcrs.contains_key(&0);
        let measured = match policy.releases.is_empty() {
            true => policy.pcrs.contains_key(&0),
            false => policy
                .releases
                .iter()
                .all(|release| measures_image(&release.pcrs)),
        };
        if !measured {
            return Err("the policy must expect a PCR0: anybody's enclave has a genuine document".into());
        }
        // A thousand enclaves' chains are kept: a document of one that is known costs a fifth.
        let verifier = Verifier::new(roots).caching(1000);
        Ok(Self { verifier, policy })
    }

    /// Judges `document`, which must carry `nonce`, if the service gave one out. A nonce is good for one document;
    /// to forget it afterwards is the service's part.
    pub(crate) fn judge(&self, document: &[u8], nonce: Option<&[u8]>, now: SystemTime) -> Answer {
        match self.verify(document, nonce, now) {
            Ok(attested) => Answer::Admit {
                release: attested.release().map(Into::into),
                compared: attested.compared().to_vec(),
            },
            Err(refusal) => match refusal.kind() {
                Code::Stale | Code::FromFuture | Code::Nonce => Answer::AskAgain,
                Code::Pcr | Code::Release | Code::Debug | Code::Trust | Code::UserData | Code::PublicKey => {
                    Answer::Reject(refusal.to_string())
                }
                // Codes may be added: what is not known here is no reason to let anybody in.
                code => Answer::Forged(code),
            },
        }
    }

    fn verify(&self, document: &[u8], nonce: Option<&[u8]>, now: SystemTime) -> Result<Attested, Refusal> {
        let mut policy = self.policy.clone();
        if let Some(nonce) = nonce {
            policy = policy.nonce(nonce);
        }
        self.verifier.verify(document, now)?.check(&policy, now)
    }
}

fn main() -> Result<ExitCode, Box<dyn Error>> {
    let arguments: Vec<_> = std::env::args().skip(1).collect();
    let (document, policy, root) = match &arguments[..] {
        [document, policy] => (document, policy, None),
        [document, policy, root] => (document, policy, Some(root)),
        _ => return Err("usage: verifier DOCUMENT POLICY [ROOT.pem]".into()),
    };
    let mut roots = vec![Root::aws_nitro()];
    if let Some(root) = root {
        roots.push(Root::from_pem(&fs::read_to_string(root)?)?);
    }
    let document = fs::read(document)?;
    // What a document says of itself, before anything of it is verified: for people, never for decisions.
    if let Ok(unverified) = Document::parse_unverified(&document) {
        println!(
            "claims to be {} of {} ms",
            unverified.module_id, unverified.timestamp_ms
        );
    }
    let gate = Gate::new(&fs::read_to_string(policy)?, roots)?;
    let answer = gate.judge(&document, None, SystemTime::now());
    println!("{answer:?}");
    Ok(match answer {
        Answer::Admit { .. } => ExitCode::SUCCESS,
        _ => ExitCode::from(2),
    })
}
