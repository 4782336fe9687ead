//! Invokes functions when the account's schedules say so: EventBridge rules and schedules with a rate.

use super::account::{Account, CallError};
use super::lambda_service::Invoker;
use super::tasks::{Faults, Task};
use serde_json::{Value, json};
use std::collections::HashMap;
use std::time::{Duration, Instant};

/// Between two looks at the account's schedules.
const LOOK: Duration = Duration::from_secs(1);

/// The clock of all schedules. It ends when it is dropped.
#[derive(Debug)]
pub struct Schedules {
    faults: Faults,
    _task: Task,
}

/// What is due every so often.
#[derive(Debug, Clone, PartialEq)]
struct Schedule {
    name: String,
    every: Duration,
    function: String,
    input: Option<String>,
}

impl Schedules {
    /// Starts it. Time passes `faster` times as fast as the schedules say, so that a test need not wait for minutes.
    pub fn start(account: Account, invoker: Invoker, faster: u32) -> Self {
        let faults = Faults::default();
        Self {
            faults: faults.clone(),
            _task: Task::start(follow(account, invoker, faster, faults)),
        }
    }

    /// What could not be done as the account says.
    pub fn faults(&self) -> Vec<String> {
        self.faults.all()
    }
}

async fn follow(account: Account, invoker: Invoker, faster: u32, faults: Faults) {
    let mut clocks: HashMap<String, (Schedule, Task)> = HashMap::new();
    loop {
        match Schedule::all(&account, &faults).await {
            Ok(schedules) => {
                clocks.retain(|_, (schedule, _)| schedules.contains(schedule));
                for schedule in schedules {
                    clocks.entry(schedule.name.clone()).or_insert_with(|| {
                        let clock = schedule.clone().run(invoker.clone(), faster, faults.clone());
                        (schedule, Task::start(clock))
                    });
                }
            }
            Err(error) => faults.add(format!("schedules: {error}")),
        }
        tokio::time::sleep(LOOK).await;
    }
}

impl Schedule {
    async fn all(account: &Account, faults: &Faults) -> Result<Vec<Self>, CallError> {
        let mut all = Vec::new();
        let mut add = |name: &Value, state: &Value, expression: &Value, target: &Value| {
            let function = target["Arn"].as_str().filter(|arn| arn.contains(":lambda:"));
            let (Some(name), Some(function), true) = (name.as_str(), function, state == "ENABLED") else {
                return;
            };
            match rate(expression.as_str().unwrap_or_default()) {
                Some(every) => all.push(Self {
                    name: name.to_owned(),
                    every,
                    function: function.to_owned(),
                    input: target["Input"].as_str().map(str::to_owned),
                }),
                None => faults.add(format!("schedule {name}: {expression} is not emulated")),
            }
        };
        let rules = account.json("events", "AWSEvents.ListRules", &json!({})).await?;
        for rule in list(&rules["Rules"]).filter(|rule| rule["ScheduleExpression"].is_string()) {
            let body = json!({"Rule": rule["Name"]});
            let targets = account
                .json("events", "AWSEvents.ListTargetsByRule", &body)
                .await?;
            for target in list(&targets["Targets"]) {
                add(&rule["Name"], &rule["State"], &rule["ScheduleExpression"], target);
            }
        }
        let schedules = account.get_json("scheduler", "/schedules").await?;
        for one in list(&schedules["Schedules"]) {
            let (name, group) = (text(&one["Name"]), text(&one["GroupName"]));
            let schedule = account
                .get_json("scheduler", &format!("/schedules/{name}?groupName={group}"))
                .await?;
            add(
                &schedule["Name"],
                &schedule["State"],
                &schedule["ScheduleExpression"],
                &schedule["Target"],
            );
        }
        Ok(all)
    }

    async fn run(self, invoker: Invoker, faster: u32, faults: Faults) {
        let every = self.every / faster.max(1);
        let mut clock = tokio::time::interval_at((Instant::now() + every).into(), every);
        clock.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        let scheduled =
            r#"{"version":"0","source":"aws.events","detail-type":"Scheduled Event","detail":{}}"#;
        let input = self.input.unwrap_or_else(|| scheduled.into());
        loop {
            clock.tick().await;
            match invoker.invoke(&self.function, input.clone().into()).await {
                Ok(invoked) if invoked.function_error.is_none() => {}
                Ok(invoked) => {
                    let error = String::from_utf8_lossy(&invoked.payload).into_owned();
                    faults.add(format!("schedule {}: {error}", self.name));
                }
                Err(refusal) => faults.add(format!("schedule {}: {refusal}", self.name)),
            }
        }
    }
}

fn list(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().into_iter().flatten()
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

/// `rate(5 minutes)`
fn rate(expression: &str) -> Option<Duration> {
    let (number, unit) = expression
        .strip_prefix("rate(")?
        .strip_suffix(')')?
        .split_once(' ')?;
    let seconds = match unit.trim_end_matches('s') {
        "minute" => 60,
        "hour" => 3_600,
        "day" => 86_400,
        _ => return None,
    };
    let number: u64 = number.parse().ok().filter(|number| *number > 0)?;
    Some(Duration::from_secs(number.checked_mul(seconds)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rate_is_read() {
        assert_eq!(rate("rate(1 minute)"), Some(Duration::from_secs(60)));
        assert_eq!(rate("rate(2 hours)"), Some(Duration::from_secs(7_200)));
        for none in [
            "rate(0 minutes)",
            "rate(1 week)",
            "cron(0 12 * * ? *)",
            "rate(1minute)",
            "",
        ] {
            assert_eq!(rate(none), None, "{none}");
        }
    }
}
