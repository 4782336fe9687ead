use std::fs::{self, File, Permissions};
use std::io::{self, Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, IsCa, Issuer, KeyPair, KeyUsagePurpose,
};

use super::Error;

/// The root's certificate in the authority's directory, PEM: what a verifier is given to trust.
pub const CERTIFICATE_FILE: &str = "dev-root.pem";
/// The root's private key beside it, PEM (PKCS #8), mode 0600.
pub const KEY_FILE: &str = "dev-root.key";

const LOCK_FILE: &str = "dev-root.lock";
/// Verifiers know a development root by the word DEVELOPMENT in its subject.
const COMMON_NAME: &str = "Treza DEVELOPMENT root";
const VALIDITY: Duration = Duration::from_secs(30 * 365 * 86_400);
/// More than either file ever holds.
const FILE_LIMIT: u64 = 16 * 1024;

/// The development CA: a root of this machine's own, under which modules get their certificates.
#[derive(Debug)]
pub struct Authority {
    certificate_pem: String,
    certificate: Vec<u8>,
    issuer: Issuer<'static, KeyPair>,
}

impl Authority {
    /// Opens the CA kept in `directory`; makes directory and root where there is none. Any number of
    /// processes may do so at once: they all get the same root.
    pub fn open(directory: &Path) -> Result<Self, Error> {
        fs::create_dir_all(directory).map_err(failed("create", directory))?;
        let _lock = lock(&directory.join(LOCK_FILE))?;
        if !directory.join(CERTIFICATE_FILE).exists() {
            make_root(directory)?;
        }
        load_root(directory)
    }

    /// The root's certificate, DER.
    pub fn certificate(&self) -> &[u8] {
        &self.certificate
    }

    /// The root's certificate, PEM.
    pub fn certificate_pem(&self) -> &str {
        &self.certificate_pem
    }

    pub(super) fn issuer(&self) -> &Issuer<'static, KeyPair> {
        &self.issuer
    }
}

/// Waits for the lock, which others hold for no longer than it takes to make or read a root.
fn lock(path: &Path) -> Result<File, Error> {
    let file = File::options()
        .create(true)
        .truncate(false)
        .write(true)
        .open(path)
        .map_err(failed("create", path))?;
    file.lock().map_err(failed("lock", path))?;
    Ok(file)
}

/// The certificate comes last: a root without one was never used, and is made anew.
fn make_root(directory: &Path) -> Result<(), Error> {
    let key = KeyPair::generate_for(&rcgen::PKCS_ECDSA_P384_SHA384)?;
    let certificate = root_parameters(SystemTime::now()).self_signed(&key)?;
    write_atomically(directory, KEY_FILE, 0o600, &key.serialize_pem())?;
    write_atomically(directory, CERTIFICATE_FILE, 0o644, &certificate.pem())
}

/// Extensions and key usage as AWS's root has them.
fn root_parameters(now: SystemTime) -> CertificateParams {
    let mut name = DistinguishedName::new();
    name.push(DnType::OrganizationName, "Treza");
    name.push(DnType::CommonName, COMMON_NAME);
    let mut parameters = CertificateParams::default();
    parameters.distinguished_name = name;
    parameters.not_before = now.into();
    parameters.not_after = (now + VALIDITY).into();
    parameters.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    parameters.key_usages = vec![
        KeyUsagePurpose::DigitalSignature,
        KeyUsagePurpose::KeyCertSign,
        KeyUsagePurpose::CrlSign,
    ];
    parameters
}

fn load_root(directory: &Path) -> Result<Authority, Error> {
    let key_path = directory.join(KEY_FILE);
    let key_pem = read_private(&key_path)?;
    let key = KeyPair::from_pem_and_sign_algo(&key_pem, &rcgen::PKCS_ECDSA_P384_SHA384)
        .map_err(|error| unusable(&key_path, error))?;

    let path = directory.join(CERTIFICATE_FILE);
    let certificate_pem = File::open(&path)
        .and_then(read_bounded)
        .map_err(failed("read", &path))?;
    let (_, pem) = x509_parser::pem::parse_x509_pem(certificate_pem.as_bytes())
        .map_err(|error| unusable(&path, error))?;
    let certificate = pem.parse_x509().map_err(|error| unusable(&path, error))?;
    if certificate.public_key().subject_public_key.data != key.public_key_raw() {
        return Err(unusable(
            &path,
            format_args!("it does not belong to the key in {KEY_FILE}"),
        ));
    }
    if !certificate.subject().to_string().contains("DEVELOPMENT") {
        return Err(unusable(&path, "its subject does not say DEVELOPMENT"));
    }
    let issuer = Issuer::from_ca_cert_der(&pem.contents.as_slice().into(), key)?;
    Ok(Authority {
        certificate: pem.contents,
        certificate_pem,
        issuer,
    })
}

fn read_private(path: &Path) -> Result<String, Error> {
    if !path.exists() {
        return Err(unusable(path, "it is missing"));
    }
    let file = File::open(path).map_err(failed("read", path))?;
    let metadata = file.metadata().map_err(failed("read", path))?;
    let mode = metadata.permissions().mode() & 0o777;
    if mode & 0o077 != 0 {
        return Err(Error::Exposed {
            path: path.to_owned(),
            mode,
        });
    }
    read_bounded(file).map_err(failed("read", path))
}

fn read_bounded(file: File) -> io::Result<String> {
    let mut text = String::new();
    file.take(FILE_LIMIT).read_to_string(&mut text)?;
    Ok(text)
}

fn write_atomically(directory: &Path, name: &str, mode: u32, text: &str) -> Result<(), Error> {
    let path = directory.join(name);
    let write = || -> io::Result<()> {
        let mut file = tempfile::Builder::new()
            .permissions(Permissions::from_mode(mode))
            .tempfile_in(directory)?;
        file.write_all(text.as_bytes())?;
        file.as_file().sync_all()?;
        file.persist(&path)?;
        Ok(())
    };
    write().map_err(failed("write", &path))
}

fn failed(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Error {
    let path = PathBuf::from(path);
    move |source| Error::File { action, path, source }
}

fn unusable(path: &Path, reason: impl ToString) -> Error {
    Error::Unusable {
        path: path.to_owned(),
        reason: reason.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::thread;

    #[test]
    fn the_root_is_made_once_and_kept() {
        let directory = tempfile::tempdir().unwrap();
        let state = directory.path().join("not/there/yet");
        let first = Authority::open(&state).unwrap();
        let second = Authority::open(&state).unwrap();
        assert_eq!(first.certificate(), second.certificate());
        assert_eq!(
            fs::read_to_string(state.join(CERTIFICATE_FILE)).unwrap(),
            first.certificate_pem()
        );
        let mode = |name| fs::metadata(state.join(name)).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode(KEY_FILE), 0o600);
        let mut names: Vec<_> = fs::read_dir(&state)
            .unwrap()
            .map(|entry| entry.unwrap().file_name())
            .collect();
        names.sort();
        assert_eq!(
            names,
            ["dev-root.key", "dev-root.lock", "dev-root.pem"],
            "nothing temporary is left"
        );
    }

    #[test]
    fn first_users_at_once_get_the_same_root() {
        let directory = tempfile::tempdir().unwrap();
        let roots: Vec<Vec<u8>> = thread::scope(|scope| {
            let users: Vec<_> = (0..8)
                .map(|_| scope.spawn(|| Authority::open(directory.path()).unwrap()))
                .collect();
            users
                .into_iter()
                .map(|user| user.join().unwrap().certificate().to_vec())
                .collect()
        });
        assert!(roots.windows(2).all(|pair| pair[0] == pair[1]));
    }

    #[test]
    fn the_root_is_shaped_as_aws_has_it() {
        let directory = tempfile::tempdir().unwrap();
        let authority = Authority::open(directory.path()).unwrap();
        let (rest, root) = x509_parser::parse_x509_certificate(authority.certificate()).unwrap();
        assert!(rest.is_empty());
        assert_eq!(root.subject().to_string(), "O=Treza, CN=Treza DEVELOPMENT root");
        assert_eq!(root.issuer(), root.subject());
        let validity = root.validity();
        assert_eq!(
            validity.not_after.timestamp() - validity.not_before.timestamp(),
            30 * 365 * 86_400
        );
        let constraints = root.basic_constraints().unwrap().unwrap();
        assert!(constraints.critical && constraints.value.ca);
        assert_eq!(constraints.value.path_len_constraint, None);
        let usage = root.key_usage().unwrap().unwrap();
        assert!(usage.critical && usage.value.key_cert_sign() && usage.value.crl_sign());
    }

    #[test]
    fn a_root_whose_making_was_cut_short_is_made_anew() {
        let directory = tempfile::tempdir().unwrap();
        write_atomically(directory.path(), KEY_FILE, 0o600, "half a key").unwrap();
        Authority::open(directory.path()).unwrap();
    }

    #[test]
    fn a_certificate_of_another_key_is_refused() {
        let (one, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        Authority::open(one.path()).unwrap();
        Authority::open(other.path()).unwrap();
        fs::copy(
            one.path().join(CERTIFICATE_FILE),
            other.path().join(CERTIFICATE_FILE),
        )
        .unwrap();
        let error = Authority::open(other.path()).unwrap_err();
        assert!(
            error.to_string().contains("does not belong to the key"),
            "{error}"
        );
    }

    #[test]
    fn damaged_missing_or_exposed_files_are_refused() {
        let directory = tempfile::tempdir().unwrap();
        Authority::open(directory.path()).unwrap();
        let key = directory.path().join(KEY_FILE);
        fs::set_permissions(&key, Permissions::from_mode(0o644)).unwrap();
        assert!(matches!(
            Authority::open(directory.path()),
            Err(Error::Exposed { mode: 0o644, .. })
        ));
        fs::set_permissions(&key, Permissions::from_mode(0o600)).unwrap();
        let certificate = directory.path().join(CERTIFICATE_FILE);
        fs::write(&certificate, "nonsense").unwrap();
        assert!(matches!(
            Authority::open(directory.path()),
            Err(Error::Unusable { .. })
        ));
        fs::write(&key, "nonsense").unwrap();
        assert!(matches!(
            Authority::open(directory.path()),
            Err(Error::Unusable { .. })
        ));
        fs::remove_file(&key).unwrap();
        assert!(matches!(
            Authority::open(directory.path()),
            Err(Error::Unusable { .. })
        ));
    }
}
