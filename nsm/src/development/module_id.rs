use std::fmt;
use std::str::FromStr;
use std::time::{SystemTime, UNIX_EPOCH};

use super::Error;

/// Whose module it is: `i-<17 hex digits>-enc<16 hex digits>`, an EC2 instance and an enclave on it, as in
/// the genuine documents. nitro-cli calls the same text the enclave's id.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct ModuleId {
    text: String,
}

const INSTANCE_DIGITS: usize = 17;
const ENCLAVE_DIGITS: usize = 16;

impl ModuleId {
    /// A new enclave's id on `instance_id`. Made as AWS makes it, to judge by the genuine documents: 48 bits
    /// of the time in milliseconds, then 16 random bits.
    pub fn generate(instance_id: &str) -> Result<Self, Error> {
        if !is_hex_after(instance_id, "i-", INSTANCE_DIGITS) {
            return Err(Error::InstanceId(instance_id.to_owned()));
        }
        let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let milliseconds = since_epoch.as_millis() & 0xffff_ffff_ffff;
        let mut random = [0; 2];
        aws_lc_rs::rand::fill(&mut random)?;
        let random = u16::from_be_bytes(random);
        Ok(Self {
            text: format!("{instance_id}-enc{milliseconds:012x}{random:04x}"),
        })
    }

    /// The whole id.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The instance's id, `i-…`.
    pub fn instance_id(&self) -> &str {
        self.text.split_once("-enc").map_or("", |(instance, _)| instance)
    }
}

impl FromStr for ModuleId {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let well_formed = text.split_once("-enc").is_some_and(|(instance, enclave)| {
            is_hex_after(instance, "i-", INSTANCE_DIGITS) && is_hex_after(enclave, "", ENCLAVE_DIGITS)
        });
        if !well_formed {
            return Err(Error::ModuleId(text.chars().take(100).collect()));
        }
        Ok(Self {
            text: text.to_owned(),
        })
    }
}

impl fmt::Display for ModuleId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.text)
    }
}

fn is_hex_after(text: &str, prefix: &str, digits: usize) -> bool {
    text.strip_prefix(prefix).is_some_and(|rest| {
        rest.len() == digits && rest.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_generated_id_parses_and_names_its_instance() {
        let id = ModuleId::generate("i-0123456789abcdef0").unwrap();
        assert_eq!(id.instance_id(), "i-0123456789abcdef0");
        assert_eq!(id.as_str().parse::<ModuleId>().unwrap(), id);
        assert_ne!(id, ModuleId::generate("i-0123456789abcdef0").unwrap());
    }

    #[test]
    fn other_ids_are_refused() {
        for id in [
            "",
            "i-0123456789abcdef0",
            "i-0123456789abcdef0-enc",
            "i-0123456789abcdef0-enc0123456789abcde",
            "i-0123456789abcdef0-enc0123456789abcdef0",
            "i-0123456789abcdef0-enc0123456789abcdeF",
            "i-0123456789abcdef0-tpm0123456789abcdef",
            "i-01234567-enc0123456789abcdef",
            "0123456789abcdef0-enc0123456789abcdef",
        ] {
            assert!(matches!(id.parse::<ModuleId>(), Err(Error::ModuleId(_))), "{id}");
        }
        assert!(matches!(ModuleId::generate("i-local"), Err(Error::InstanceId(_))));
    }
}
