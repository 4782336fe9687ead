//! The web application, as far as the pipeline meets it: it writes rows, sets their status, reads them, and starts the
//! cleanup's state machine itself.

use super::account::{Account, CallError};
use contract::item;
use serde_json::{Map, Value, json};
use std::time::{Duration, Instant};

const LOOK: Duration = Duration::from_millis(300);

/// A client of one table.
#[derive(Debug, Clone)]
pub struct WebApplication {
    account: Account,
    table: String,
    prefix: String,
}

impl WebApplication {
    /// A client of the environment's rows. `prefix` is what its state machines' names begin with.
    pub fn new(account: Account, prefix: &str) -> Self {
        Self {
            account,
            table: format!("{prefix}-enclaves"),
            prefix: prefix.to_owned(),
        }
    }

    /// Puts a row.
    pub async fn put(&self, row: &Value) {
        let body = json!({"TableName": self.table, "Item": typed(row)["M"]});
        self.dynamodb("PutItem", body).await.unwrap();
    }

    /// Sets a row's status and `updatedAt`, and nothing else.
    pub async fn ask(&self, id: &str, status: &str) {
        let body = json!({
            "TableName": self.table, "Key": {"id": {"S": id}},
            "UpdateExpression": "SET #status = :status, updatedAt = :now",
            "ExpressionAttributeNames": {"#status": "status"},
            "ExpressionAttributeValues": {":status": {"S": status}, ":now": {"S": "2026-01-01T12:00:00.000Z"}},
        });
        self.dynamodb("UpdateItem", body).await.unwrap();
    }

    /// Deletes a row.
    pub async fn delete(&self, id: &str) {
        let body = json!({"TableName": self.table, "Key": {"id": {"S": id}}});
        self.dynamodb("DeleteItem", body).await.unwrap();
    }

    /// A row as it stands, in plain JSON; null: there is none.
    pub async fn row(&self, id: &str) -> Value {
        let body = json!({"TableName": self.table, "Key": {"id": {"S": id}}, "ConsistentRead": true});
        let answer = self.dynamodb("GetItem", body).await.unwrap();
        match answer.get("Item") {
            Some(item) => item::to_plain_json(&item::read(&item.to_string()).unwrap()),
            None => Value::Null,
        }
    }

    /// Every row, in plain JSON.
    pub async fn rows(&self) -> Vec<Value> {
        let answer = self
            .dynamodb("Scan", json!({"TableName": self.table}))
            .await
            .unwrap();
        list(&answer["Items"])
            .map(|item| item::to_plain_json(&item::read(&item.to_string()).unwrap()))
            .collect()
    }

    /// Starts the cleanup of a row directly, as it does at a termination besides writing PENDING_DESTROY.
    pub async fn start_cleanup(&self, row: &Value) {
        let input = json!({
            "enclave_id": row["id"], "action": "destroy", "configuration": "{}", "terraform_config": "main.tf",
            "wallet_address": row["walletAddress"],
        });
        let machine = format!("{}-cleanup", self.prefix);
        let machines = self.states("ListStateMachines", json!({})).await.unwrap();
        let machines = machines["stateMachines"].as_array().cloned().unwrap_or_default();
        let found = machines
            .iter()
            .find(|one| one["name"] == machine)
            .expect("a state machine for the cleanup");
        let body = json!({"stateMachineArn": found["stateMachineArn"], "input": input.to_string()});
        self.states("StartExecution", body).await.unwrap();
    }

    /// All executions of a state machine (`deploy`, `cleanup`, `pause`), as Step Functions describes them.
    pub async fn executions(&self, machine: &str) -> Vec<Value> {
        let machine = format!("{}-{machine}", self.prefix);
        let machines = self.states("ListStateMachines", json!({})).await.unwrap();
        let found = list(&machines["stateMachines"])
            .find(|one| one["name"] == machine)
            .cloned()
            .expect("a state machine");
        let body = json!({"stateMachineArn": found["stateMachineArn"]});
        let listed = self.states("ListExecutions", body).await.unwrap();
        let mut all = Vec::new();
        for one in list(&listed["executions"]) {
            let body = json!({"executionArn": one["executionArn"]});
            all.push(self.states("DescribeExecution", body).await.unwrap());
        }
        all
    }

    /// Stops an execution, as a person at the console does.
    pub async fn stop(&self, execution: &Value) {
        let body = json!({"executionArn": execution["executionArn"]});
        self.states("StopExecution", body).await.unwrap();
    }

    /// The events of an execution's last moments, newest first.
    pub async fn history(&self, execution: &Value) -> Value {
        let body = json!({"executionArn": execution["executionArn"], "reverseOrder": true, "maxResults": 12});
        self.states("GetExecutionHistory", body).await.unwrap()["events"].take()
    }

    /// Waits until `is` holds of the row, for `patience` at most. The error is the row as it stood then.
    pub async fn until(
        &self,
        id: &str,
        patience: Duration,
        is: impl Fn(&Value) -> bool,
    ) -> Result<Value, Value> {
        let begun = Instant::now();
        loop {
            let row = self.row(id).await;
            if is(&row) {
                return Ok(row);
            }
            if begun.elapsed() > patience {
                return Err(row);
            }
            tokio::time::sleep(LOOK).await;
        }
    }

    async fn dynamodb(&self, operation: &str, body: Value) -> Result<Value, CallError> {
        self.account
            .json("dynamodb", &format!("DynamoDB_20120810.{operation}"), &body)
            .await
    }

    async fn states(&self, operation: &str, body: Value) -> Result<Value, CallError> {
        self.account
            .json("states", &format!("AWSStepFunctions.{operation}"), &body)
            .await
    }
}

fn list(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().into_iter().flatten()
}

/// Plain JSON as an SDK's document client writes it.
fn typed(value: &Value) -> Value {
    match value {
        Value::Null => json!({"NULL": true}),
        Value::Bool(flag) => json!({ "BOOL": flag }),
        Value::Number(number) => json!({"N": number.to_string()}),
        Value::String(text) => json!({ "S": text }),
        Value::Array(list) => json!({"L": list.iter().map(typed).collect::<Vec<_>>()}),
        Value::Object(map) => {
            let typed: Map<_, _> = map
                .iter()
                .map(|(name, value)| (name.clone(), typed(value)))
                .collect();
            json!({ "M": typed })
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_reads_back() {
        let row = json!({"id": "a", "n": 2, "flag": false, "none": null, "map": {"list": ["x", 1]}});
        let item = item::read(&typed(&row)["M"].to_string()).unwrap();
        assert_eq!(item::to_plain_json(&item), row);
    }
}
