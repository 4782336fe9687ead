//! What an environment costs, out of `environments/costs.toml`, which docs/costs.md explains.

use super::super::Error;
use serde::Deserialize;
use std::collections::BTreeMap;
use std::path::Path;

/// US dollars.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Costs {
    /// A month of what is kept.
    base: f64,
    /// A month of what comes and goes.
    runtime: f64,
    /// One deployment, without its host's hours.
    deployment: f64,
}

const NOT_ESTIMATED: &str = "not estimated for this environment: see docs/costs.md";

/// What base of an environment costs, in words.
pub(super) fn of_base(terraform: &Path, environment: &str) -> Result<String, Error> {
    Ok(match find(terraform, environment)? {
        None => NOT_ESTIMATED.into(),
        Some(Costs { base, .. }) => format!("about {base:.2} US dollars a month (docs/costs.md)"),
    })
}

/// What runtime of an environment costs, in words.
pub(super) fn of_runtime(terraform: &Path, environment: &str) -> Result<String, Error> {
    let Some(costs) = find(terraform, environment)? else {
        return Ok(NOT_ESTIMATED.into());
    };
    let Costs {
        base,
        runtime,
        deployment,
    } = costs;
    Ok(format!(
        "about {runtime:.2} US dollars a month besides {base:.2} of what is kept, {deployment:.3} a deployment, and each \
         row's instance while it runs (docs/costs.md)"
    ))
}

fn find(terraform: &Path, environment: &str) -> Result<Option<Costs>, Error> {
    let file = terraform.join("environments").join("costs.toml");
    let wrong = |problem: String| Error::Refused(format!("{}: {problem}", file.display()));
    let text = std::fs::read_to_string(&file).map_err(|error| wrong(error.to_string()))?;
    let mut all: BTreeMap<String, Costs> = toml::from_str(&text).map_err(|error| wrong(error.to_string()))?;
    Ok(all.remove(environment))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_projects_own_estimates_read() {
        let terraform = Path::new(env!("CARGO_MANIFEST_DIR")).join("../terraform");
        for of in [of_base, of_runtime] {
            for environment in ["dev", "staging", "prod"] {
                let cost = of(&terraform, environment).unwrap();
                assert!(cost.contains("US dollars a month"), "{cost}");
            }
            assert!(of(&terraform, "other").unwrap().contains("not estimated"));
        }
    }
}
