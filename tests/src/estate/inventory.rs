//! All that an account holds, by kind and name, so that a test can say what a deployment left behind.

use super::account::{Account, CallError, Xml};
use roxmltree::Node;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::fmt;

/// What an account held at one time: `kind name`, each once. What AWS only still shows is left out (terminated
/// instances, keys that wait for their deletion), and what came and went by design: log streams, past executions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Inventory(BTreeSet<String>);

/// Two inventories' difference.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Difference {
    /// What is in the later one only.
    pub new: Vec<String>,
    /// What is in the earlier one only.
    pub gone: Vec<String>,
}

impl Inventory {
    /// All that the account holds now. Of a table in `held`, an item is listed by its `id` if it has one of these
    /// attributes: what stays on record is no leftover, and a lease is.
    pub async fn of(account: &Account, held: &[(&str, &[&str])]) -> Result<Self, CallError> {
        let mut seen = Seen {
            account,
            all: BTreeSet::new(),
        };
        seen.instances().await?;
        seen.network().await?;
        seen.identities().await?;
        seen.keys().await?;
        seen.objects().await?;
        seen.named_things().await?;
        for (table, attributes) in held {
            seen.items(table, attributes).await?;
        }
        Ok(Self(seen.all))
    }

    /// What changed from `self` to `later`.
    pub fn until(&self, later: &Self) -> Difference {
        let only = |one: &Self, other: &Self| one.0.difference(&other.0).cloned().collect();
        Difference {
            new: only(later, self),
            gone: only(self, later),
        }
    }

    /// What there is of a kind.
    pub fn of_kind(&self, kind: &str) -> Vec<&str> {
        let of_kind = |line: &'_ String| line.split_once(' ').is_some_and(|(its, _)| its == kind);
        self.0
            .iter()
            .filter(|line| of_kind(line))
            .map(String::as_str)
            .collect()
    }
}

impl Difference {
    /// Nothing came and nothing went.
    pub fn is_none(&self) -> bool {
        self.new.is_empty() && self.gone.is_empty()
    }
}

impl fmt::Display for Inventory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|line| writeln!(f, "{line}"))
    }
}

const EC2: &str = "2016-11-15";
const IAM: &str = "2010-05-08";

struct Seen<'a> {
    account: &'a Account,
    all: BTreeSet<String>,
}

impl Seen<'_> {
    fn add(&mut self, kind: &str, names: impl IntoIterator<Item = String>) {
        self.all
            .extend(names.into_iter().map(|name| format!("{kind} {name}")));
    }

    async fn instances(&mut self) -> Result<(), CallError> {
        let xml = self.account.query("ec2", EC2, "DescribeInstances", &[]).await?;
        let sets = |root: Node<'_, '_>| {
            of_name(root, "instancesSet")
                .flat_map(|set| set.children())
                .filter_map(|item| {
                    let state = child(item, "instanceState").and_then(|state| child(state, "name"))?;
                    let id = child(item, "instanceId")?.text()?;
                    (state.text() != Some("terminated")).then(|| id.to_owned())
                })
                .collect::<Vec<_>>()
        };
        self.add("instance", xml.with(sets));
        Ok(())
    }

    async fn network(&mut self) -> Result<(), CallError> {
        for (kind, action, name) in [
            ("volume", "DescribeVolumes", "volumeId"),
            ("security-group", "DescribeSecurityGroups", "groupId"),
            (
                "security-group-rule",
                "DescribeSecurityGroupRules",
                "securityGroupRuleId",
            ),
            (
                "network-interface",
                "DescribeNetworkInterfaces",
                "networkInterfaceId",
            ),
            ("launch-template", "DescribeLaunchTemplates", "launchTemplateId"),
            ("vpc", "DescribeVpcs", "vpcId"),
            ("subnet", "DescribeSubnets", "subnetId"),
            ("address", "DescribeAddresses", "allocationId"),
        ] {
            let xml = self.account.query("ec2", EC2, action, &[]).await?;
            self.add(kind, xml.texts(name));
        }
        for (kind, action, name) in [
            ("endpoint", "DescribeVpcEndpoints", "vpcEndpointId"),
            ("nat-gateway", "DescribeNatGateways", "natGatewayId"),
        ] {
            let xml = self.account.query("ec2", EC2, action, &[]).await?;
            let there = |root: Node<'_, '_>| {
                of_name(root, name)
                    .filter_map(|id| {
                        let state = child(id.parent()?, "state")?;
                        (state.text() != Some("deleted")).then(|| id.text().map(str::to_owned))?
                    })
                    .collect::<Vec<_>>()
            };
            self.add(kind, xml.with(there));
        }
        Ok(())
    }

    async fn identities(&mut self) -> Result<(), CallError> {
        let iam = |action, parameters: &'_ [(&'_ str, &'_ str)]| {
            let parameters = parameters
                .iter()
                .map(|(a, b)| ((*a).to_owned(), (*b).to_owned()))
                .collect::<Vec<_>>();
            let account = self.account.clone();
            async move {
                let borrowed: Vec<_> = parameters.iter().map(|(a, b)| (a.as_str(), b.as_str())).collect();
                account.query("iam", IAM, action, &borrowed).await
            }
        };
        let roles = iam("ListRoles", &[]).await?.texts("RoleName");
        let profiles = iam("ListInstanceProfiles", &[])
            .await?
            .texts("InstanceProfileName");
        let policies = iam("ListPolicies", &[("Scope", "Local")])
            .await?
            .texts("PolicyName");
        let mut inline = Vec::new();
        for role in &roles {
            let names = match iam("ListRolePolicies", &[("RoleName", role)]).await {
                Ok(xml) => xml.texts("member"),
                // It went meanwhile.
                Err(error) if error.is_not_found() => continue,
                Err(error) => return Err(error),
            };
            inline.extend(names.into_iter().map(|name| format!("{role}/{name}")));
            let xml = match iam("ListAttachedRolePolicies", &[("RoleName", role)]).await {
                Ok(xml) => xml,
                Err(error) if error.is_not_found() => continue,
                Err(error) => return Err(error),
            };
            inline.extend(
                xml.texts("PolicyArn")
                    .into_iter()
                    .map(|arn| format!("{role}/{arn}")),
            );
        }
        self.add("role", roles);
        self.add("instance-profile", profiles);
        self.add("policy", policies);
        self.add("role-policy", inline);
        Ok(())
    }

    async fn keys(&mut self) -> Result<(), CallError> {
        let kms = |operation: &str, body: Value| {
            let (account, target) = (self.account.clone(), format!("TrentService.{operation}"));
            async move { account.json("kms", &target, &body).await }
        };
        let keys = kms("ListKeys", json!({})).await?;
        let mut kept = Vec::new();
        for key in strings(&keys["Keys"], "KeyId") {
            let described = kms("DescribeKey", json!({ "KeyId": key })).await?;
            let key_is = &described["KeyMetadata"];
            // AWS's own keys come with the first use of a service; the emulator names them so.
            if key_is["KeyState"] != "PendingDeletion" && key_is["Description"] != "Default key" {
                kept.push(key);
            }
        }
        let aliases = kms("ListAliases", json!({})).await?;
        self.add("key", kept);
        self.add("key-alias", strings(&aliases["Aliases"], "AliasName"));
        Ok(())
    }

    async fn objects(&mut self) -> Result<(), CallError> {
        let buckets = self.account.get_xml("s3", "/").await?.with(|root| {
            let buckets = root
                .descendants()
                .filter(|node| node.tag_name().name() == "Bucket");
            let names =
                buckets.flat_map(|bucket| bucket.children().filter(|node| node.tag_name().name() == "Name"));
            names
                .filter_map(|name| name.text().map(str::to_owned))
                .collect::<Vec<_>>()
        });
        for bucket in &buckets {
            let listed: Xml = self
                .account
                .get_xml("s3", &format!("/{bucket}?list-type=2&max-keys=1000"))
                .await?;
            self.add(
                "object",
                listed
                    .texts("Key")
                    .into_iter()
                    .map(|key| format!("{bucket}/{key}")),
            );
        }
        self.add("bucket", buckets);
        Ok(())
    }

    /// What services of the JSON protocol list in one call.
    async fn named_things(&mut self) -> Result<(), CallError> {
        for (kind, service, target, list, name) in [
            (
                "log-group",
                "logs",
                "Logs_20140328.DescribeLogGroups",
                "logGroups",
                "logGroupName",
            ),
            (
                "state-machine",
                "states",
                "AWSStepFunctions.ListStateMachines",
                "stateMachines",
                "name",
            ),
            (
                "table",
                "dynamodb",
                "DynamoDB_20120810.ListTables",
                "TableNames",
                "",
            ),
            ("queue", "sqs", "AmazonSQS.ListQueues", "QueueUrls", ""),
            (
                "parameter",
                "ssm",
                "AmazonSSM.DescribeParameters",
                "Parameters",
                "Name",
            ),
            (
                "secret",
                "secretsmanager",
                "secretsmanager.ListSecrets",
                "SecretList",
                "Name",
            ),
            ("rule", "events", "AWSEvents.ListRules", "Rules", "Name"),
            (
                "repository",
                "ecr",
                "AmazonEC2ContainerRegistry_V20150921.DescribeRepositories",
                "repositories",
                "repositoryName",
            ),
        ] {
            let answer = self.account.json(service, target, &json!({})).await?;
            self.add(kind, strings(&answer[list], name));
        }
        let ecs = async |operation: &str, body: Value| {
            let target = format!("AmazonEC2ContainerServiceV20141113.{operation}");
            self.account.json("ecs", &target, &body).await
        };
        let clusters = ecs("ListClusters", json!({})).await?;
        let clusters = ecs("DescribeClusters", json!({"clusters": clusters["clusterArns"]})).await?;
        let active = clusters["clusters"].as_array().into_iter().flatten();
        let active: Vec<_> = active.filter(|one| one["status"] == "ACTIVE").cloned().collect();
        self.add("cluster", strings(&json!(active), "clusterName"));
        let functions = self.account.get_json("lambda", "/2015-03-31/functions/").await?;
        self.add("function", strings(&functions["Functions"], "FunctionName"));
        let mappings = self
            .account
            .get_json("lambda", "/2015-03-31/event-source-mappings/")
            .await?;
        self.add(
            "event-source-mapping",
            strings(&mappings["EventSourceMappings"], "UUID"),
        );
        let schedules = self.account.get_json("scheduler", "/schedules").await?;
        self.add("schedule", strings(&schedules["Schedules"], "Name"));
        let topics = self.account.query("sns", "2010-03-31", "ListTopics", &[]).await?;
        self.add("topic", topics.texts("TopicArn"));
        let alarms = self
            .account
            .query("monitoring", "2010-08-01", "DescribeAlarms", &[])
            .await?;
        self.add("alarm", alarms.texts("AlarmName"));
        Ok(())
    }

    async fn items(&mut self, table: &str, attributes: &[&str]) -> Result<(), CallError> {
        let body = json!({"TableName": table});
        let answer = self
            .account
            .json("dynamodb", "DynamoDB_20120810.Scan", &body)
            .await?;
        for item in answer["Items"].as_array().into_iter().flatten() {
            let id = item["id"]["S"].as_str().unwrap_or_default();
            let held = attributes.iter().filter(|name| item.get(**name).is_some());
            self.add("item", held.map(|name| format!("{table}/{id}: {name}")));
        }
        Ok(())
    }
}

fn of_name<'a, 'i>(root: Node<'a, 'i>, name: &str) -> impl Iterator<Item = Node<'a, 'i>> {
    root.descendants()
        .filter(move |node| node.tag_name().name() == name)
}

fn child<'a, 'i>(node: Node<'a, 'i>, name: &str) -> Option<Node<'a, 'i>> {
    node.children().find(|node| node.tag_name().name() == name)
}

/// The texts named `name` in a list; empty: the list is of texts.
fn strings(list: &Value, name: &str) -> Vec<String> {
    let text = |one: &Value| {
        if name.is_empty() {
            one.as_str()
        } else {
            one[name].as_str()
        }
        .map(str::to_owned)
    };
    list.as_array().into_iter().flatten().filter_map(text).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn inventory(lines: &[&str]) -> Inventory {
        Inventory(lines.iter().map(|line| (*line).to_owned()).collect())
    }

    #[test]
    fn what_came_and_what_went_is_told_apart() {
        let before = inventory(&["instance i-1", "role a"]);
        let after = inventory(&["instance i-2", "role a"]);
        let difference = before.until(&after);
        assert_eq!(
            (difference.new.as_slice(), difference.gone.as_slice()),
            (&["instance i-2".to_owned()][..], &["instance i-1".to_owned()][..])
        );
        assert!(!difference.is_none() && before.until(&before).is_none());
        assert_eq!(after.of_kind("instance"), ["instance i-2"]);
        assert!(after.of_kind("inst").is_empty());
    }
}
