//! PCR 0, 1, 2 and 8: `SHA-384(48 zero bytes ‖ SHA-384(content))`.
use std::fmt;

use aws_lc_rs::digest::{Context, SHA384, digest};

/// The value of a platform configuration register; hexadecimal as text.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Pcr(pub [u8; 48]);

impl Pcr {
    /// The register that was extended once, from zero, by the SHA-384 of a content.
    pub(super) fn extended_by(content: Context) -> Self {
        let mut register = Context::new(&SHA384);
        register.update(&[0; 48]);
        register.update(content.finish().as_ref());
        Self::from_digest(register)
    }

    /// The register of a content in parts: PCR1 of kernel, command line and first ramdisk, PCR8 of the signing
    /// certificate's DER.
    pub fn of<'a>(parts: impl IntoIterator<Item = &'a [u8]>) -> Self {
        let mut content = Context::new(&SHA384);
        parts.into_iter().for_each(|part| content.update(part));
        Self::extended_by(content)
    }

    /// SHA-384 of `bytes`, without the extension.
    pub fn sha384(bytes: &[u8]) -> [u8; 48] {
        let mut value = [0; 48];
        value.copy_from_slice(digest(&SHA384, bytes).as_ref());
        value
    }

    fn from_digest(context: Context) -> Self {
        let mut value = [0; 48];
        value.copy_from_slice(context.finish().as_ref());
        Self(value)
    }
}

impl fmt::Display for Pcr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(self.0))
    }
}

impl fmt::Debug for Pcr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl serde::Serialize for Pcr {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// The registers that an EIF determines.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
pub struct Pcrs {
    /// Kernel, command line and every ramdisk.
    #[serde(rename = "PCR0")]
    pub pcr0: Pcr,
    /// Kernel, command line and the boot ramdisk.
    #[serde(rename = "PCR1")]
    pub pcr1: Pcr,
    /// The application's ramdisks.
    #[serde(rename = "PCR2")]
    pub pcr2: Pcr,
    /// The signing certificate, of a signed EIF.
    #[serde(rename = "PCR8", skip_serializing_if = "Option::is_none")]
    pub pcr8: Option<Pcr>,
}
