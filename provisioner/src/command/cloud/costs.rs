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

/// What `part` (base or runtime) of an environment costs, in words.
pub(super) fn of(terraform: &Path, environment: &str, part: &str) -> Result<String, Error> {
    let file = terraform.join("environments").join("costs.toml");
    let wrong = |problem: String| Error::Refused(format!("{}: {problem}", file.display()));
    let text = std::fs::read_to_string(&file).map_err(|error| wrong(error.to_string()))?;
    let all: BTreeMap<String, Costs> = toml::from_str(&text).map_err(|error| wrong(error.to_string()))?;
    let Some(costs) = all.get(environment) else {
        return Ok("not estimated for this environment: see docs/costs.md".into());
    };
    let Costs {
        base,
        runtime,
        deployment,
    } = costs;
    Ok(match part {
        "base" => format!("about {base:.2} US dollars a month (docs/costs.md)"),
        _ => format!(
            "about {runtime:.2} US dollars a month besides {base:.2} of what is kept, {deployment:.3} a deployment, and \
             each row's instance while it runs (docs/costs.md)"
        ),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_projects_own_estimates_read() {
        let terraform = Path::new(env!("CARGO_MANIFEST_DIR")).join("../terraform");
        for environment in ["dev", "staging", "prod"] {
            for part in ["base", "runtime"] {
                let cost = of(&terraform, environment, part).unwrap();
                assert!(cost.contains("US dollars a month"), "{cost}");
            }
        }
        assert!(of(&terraform, "other", "base").unwrap().contains("not estimated"));
    }
}
