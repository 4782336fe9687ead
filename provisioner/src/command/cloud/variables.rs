//! Files of variables, before Terraform reads them: what names the environment and its region is on the command line as
//! well, and stands in the names of the state's bucket and of all that is made.

use super::super::Error;
use std::path::Path;

/// Refuses a file that names another environment or region than the command does.
pub(super) fn check(file: &Path, environment: &str, region: &str) -> Result<(), Error> {
    let path = file.display();
    let text = read(file)?;
    let other = |name, here: &str| value_of(name, &text).filter(|there| *there != here);
    if let Some(other) = other("environment", environment) {
        return Err(Error::Refused(format!(
            "{path} says environment {other}, and this command works on {environment}: write \"{environment}\" there, or \
             give --environment {other}"
        )));
    }
    match other("region", region) {
        Some(other) => Err(Error::Refused(format!(
            "{path} says region {other}, and this command works in {region}: give --region {other}"
        ))),
        None => Ok(()),
    }
}

/// The functions' architecture, where the file says it.
pub(super) fn architecture(file: &Path) -> Result<Option<String>, Error> {
    Ok(value_of("architecture", &read(file)?).map(str::to_owned))
}

fn read(file: &Path) -> Result<String, Error> {
    std::fs::read_to_string(file)
        .map_err(|error| Error::Refused(format!("{}: {error}: name a file of variables", file.display())))
}

/// The text that a file gives the variable `name`.
fn value_of<'a>(name: &str, text: &'a str) -> Option<&'a str> {
    let values = text.lines().filter_map(|line| line.split_once('='));
    let mut values = values.filter(|(variable, _)| variable.trim() == name);
    values.next()?.1.split('"').nth(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_file_says_is_found() {
        let text = "environment = \"dev\"\nregion      = \"eu-west-1\" # near\n";
        assert_eq!(value_of("region", text), Some("eu-west-1"));
        assert_eq!(value_of("environment", text), Some("dev"));
        assert_eq!(value_of("region", "# region is given\nregions = [\"a\"]\n"), None);
    }

    #[test]
    fn the_architecture_is_what_the_file_says() {
        let file = tempfile::NamedTempFile::new().unwrap();
        assert_eq!(architecture(file.path()).unwrap(), None);
        std::fs::write(file.path(), "architecture = \"x86_64\"\n").unwrap();
        assert_eq!(architecture(file.path()).unwrap().unwrap(), "x86_64");
    }

    #[test]
    fn a_file_that_was_copied_and_not_changed_is_refused() {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), "environment = \"dev\"\n").unwrap();
        check(file.path(), "dev", "us-west-2").unwrap();
        let refused = check(file.path(), "second", "us-west-2").unwrap_err().to_string();
        assert!(
            refused.contains("says environment dev") && refused.contains("works on second"),
            "{refused}"
        );
    }
}
