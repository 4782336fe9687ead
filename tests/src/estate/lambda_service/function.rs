//! What a function is: as the account says, or as it is given.

use super::Refusal;
use crate::estate::account::{Account, CallError};
use serde::Deserialize;
use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

/// A function's configuration, as far as it decides how it is run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Function {
    /// Its name.
    pub name: String,
    /// Its ARN.
    pub arn: String,
    /// What its `bootstrap` finds in `_HANDLER`.
    pub handler: String,
    /// How long an invocation may take.
    pub timeout: Duration,
    /// Its memory. It is told to the function and not enforced.
    pub memory_mib: u32,
    /// Its variables.
    pub environment: BTreeMap<String, String>,
}

/// Where functions are known.
#[derive(Debug, Clone)]
pub enum Functions {
    /// In an account: asked at each invocation, as a change counts at once.
    Applied(Account),
    /// Here, by name.
    Given(HashMap<String, Function>),
}

impl Functions {
    pub(super) async fn find(&self, name: &str) -> Result<Function, Refusal> {
        match self {
            Self::Given(functions) => {
                let found = functions.get(name).cloned();
                found.ok_or_else(|| Refusal::NotFound(name.to_owned()))
            }
            Self::Applied(account) => {
                // It stands in a path.
                let is_name = |b: u8| b.is_ascii_alphanumeric() || b == b'-' || b == b'_';
                if name.is_empty() || name.len() > 64 || !name.bytes().all(is_name) {
                    return Err(Refusal::NotFound(name.to_owned()));
                }
                let path = format!("/2015-03-31/functions/{name}/configuration");
                match account.get_json("lambda", &path).await {
                    Ok(answer) => read(answer),
                    Err(CallError::Refused { status: 404, .. }) => Err(Refusal::NotFound(name.to_owned())),
                    Err(error) => Err(error.into()),
                }
            }
        }
    }
}

fn read(configuration: serde_json::Value) -> Result<Function, Refusal> {
    #[derive(Deserialize)]
    #[serde(rename_all = "PascalCase")]
    struct Configuration {
        function_name: String,
        function_arn: String,
        handler: String,
        runtime: String,
        timeout: u64,
        memory_size: u32,
        #[serde(default)]
        environment: Environment,
    }
    #[derive(Deserialize, Default)]
    #[serde(rename_all = "PascalCase")]
    struct Environment {
        #[serde(default)]
        variables: BTreeMap<String, String>,
    }
    let read: Configuration = serde_json::from_value(configuration)
        .map_err(|error| Refusal::Unfit(format!("the account's configuration of a function: {error}")))?;
    if !read.runtime.starts_with("provided.") {
        let name = read.function_name;
        return Err(Refusal::Unfit(format!(
            "{name} has runtime {}, not provided.…",
            read.runtime
        )));
    }
    Ok(Function {
        name: read.function_name,
        // The ARN of the function itself: the account may answer that of a version.
        arn: unqualified(&read.function_arn).to_owned(),
        handler: read.handler,
        timeout: Duration::from_secs(read.timeout),
        memory_mib: read.memory_size,
        environment: read.environment.variables,
    })
}

/// The name in `name`, `name:qualifier`, `ACCOUNT:function:name` or an ARN of any of these.
pub(super) fn name_of(reference: &str) -> &str {
    let tail = match reference.rsplit_once("function:") {
        Some((_, tail)) => tail,
        None => reference,
    };
    tail.split(':').next().unwrap_or_default()
}

fn unqualified(arn: &str) -> &str {
    let qualifier = arn.match_indices(':').nth(6);
    qualifier.map_or(arn, |(at, _)| &arn[..at])
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_function_is_named_in_each_of_lambdas_ways() {
        for reference in [
            "treza-dev-trigger",
            "treza-dev-trigger:$LATEST",
            "123456789012:function:treza-dev-trigger",
            "arn:aws:lambda:us-west-2:123456789012:function:treza-dev-trigger",
            "arn:aws:lambda:us-west-2:123456789012:function:treza-dev-trigger:live",
        ] {
            assert_eq!(name_of(reference), "treza-dev-trigger", "{reference}");
        }
    }

    #[test]
    fn the_accounts_configuration_is_read() {
        let answer = json!({
            "FunctionName": "f", "FunctionArn": "arn:aws:lambda:us-west-2:123456789012:function:f:$LATEST",
            "Handler": "trigger", "Runtime": "provided.al2023", "Timeout": 30, "MemorySize": 128,
            "Environment": {"Variables": {"A": "b"}}, "CodeSize": 5,
        });
        let function = read(answer.clone()).unwrap();
        assert_eq!(function.arn, "arn:aws:lambda:us-west-2:123456789012:function:f");
        assert_eq!(
            (function.handler.as_str(), function.timeout),
            ("trigger", Duration::from_secs(30))
        );
        assert_eq!(function.environment["A"], "b");
        let mut other = answer;
        other["Runtime"] = "python3.13".into();
        assert!(matches!(read(other), Err(Refusal::Unfit(_))));
    }
}
