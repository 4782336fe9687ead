//! Signing an EIF that is there.
use std::path::Path;

use crate::{
    eif::{self, Eif, Pcrs, Signer},
    error::Error,
    output::write_whole,
};

/// Signs an EIF, in place of a signature that it may have, into `output`, which may be the same file and appears whole or
/// not at all. The same file, key and certificate give the same bytes.
pub fn sign(path: &Path, signer: &Signer, output: &Path) -> Result<Pcrs, Error> {
    let failed = |source| Error::Eif {
        path: path.into(),
        source,
    };
    let mut eif = Eif::open(path).map_err(failed)?;
    write_whole(output, |file| {
        Ok(eif::resign(&mut eif, signer, file).map_err(failed)?.pcrs)
    })
}
