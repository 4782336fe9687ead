//! A plan of Terraform's: what it comes to, and its digest, by which someone can agree to it elsewhere.

use aws_lc_rs::digest::{SHA256, digest};
use serde_json::{Value, json};
use tempfile::TempPath;

/// A plan, as it was shown. Its file goes with it: what that holds of the state is for nobody else.
pub(super) struct Plan {
    pub(super) file: TempPath,
    pub(super) changes: Changes,
}

/// What a plan comes to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Changes {
    create: usize,
    update: usize,
    replace: usize,
    delete: usize,
    /// Whether nothing changes, no output either.
    none: bool,
    /// `sha256:…` of all that changes, from what to what: the same for two plans exactly if they do the same.
    pub(super) digest: String,
}

impl Changes {
    /// Those of a plan as `terraform show -json` prints it.
    pub(super) fn of(shown: &Value) -> Self {
        let resources: Vec<_> = shown["resource_changes"]
            .as_array()
            .into_iter()
            .flatten()
            .filter(|resource| changes(&resource["change"]))
            .collect();
        let outputs = shown["output_changes"].as_object().into_iter().flatten();
        let outputs: Vec<_> = outputs.filter(|(_, change)| changes(change)).collect();
        let with = |actions: &Value| {
            let same = |resource: &&&Value| resource["change"]["actions"] == *actions;
            resources.iter().filter(same).count()
        };
        let text = json!([resources, outputs]).to_string();
        Self {
            create: with(&json!(["create"])),
            update: with(&json!(["update"])),
            replace: with(&json!(["delete", "create"])) + with(&json!(["create", "delete"])),
            delete: with(&json!(["delete"])),
            none: resources.is_empty() && outputs.is_empty(),
            digest: format!("sha256:{}", hex::encode(digest(&SHA256, text.as_bytes()))),
        }
    }

    /// Whether there is nothing to do.
    pub(super) fn is_none(&self) -> bool {
        self.none
    }

    /// For programs.
    pub(super) fn json(&self) -> Value {
        json!({
            "create": self.create, "update": self.update, "replace": self.replace, "delete": self.delete,
            "digest": self.digest,
        })
    }
}

/// Whether a change is one: neither nothing, nor something that is only read.
fn changes(change: &Value) -> bool {
    change["actions"] != json!(["no-op"]) && change["actions"] != json!(["read"])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plan(actions: &Value, after: &str) -> Value {
        json!({
            "timestamp": after, "resource_changes": [
                {"address": "a.a", "change": {"actions": ["no-op"]}},
                {"address": "a.b", "change": {"actions": ["read"]}},
                {"address": "a.c", "change": {"actions": actions, "after": {"name": after}}},
            ],
            "output_changes": {"x": {"actions": ["no-op"]}},
        })
    }

    #[test]
    fn what_changes_is_counted() {
        let made = Changes::of(&plan(&json!(["create"]), "one"));
        assert_eq!(
            (made.create, made.update, made.replace, made.delete),
            (1, 0, 0, 0)
        );
        let made_anew = Changes::of(&plan(&json!(["create", "delete"]), "one"));
        assert_eq!((made_anew.create, made_anew.replace, made_anew.delete), (0, 1, 0));
        assert!(!made.is_none() && Changes::of(&plan(&json!(["no-op"]), "one")).is_none());
    }

    #[test]
    fn an_output_alone_is_a_change() {
        let mut plan = plan(&json!(["no-op"]), "one");
        plan["output_changes"]["x"]["actions"] = json!(["update"]);
        assert!(!Changes::of(&plan).is_none());
    }

    #[test]
    fn the_digest_is_that_of_what_changes() {
        let of = |actions: &Value, after| Changes::of(&plan(actions, after)).digest;
        assert_eq!(of(&json!(["no-op"]), "one"), of(&json!(["no-op"]), "two"));
        assert_eq!(of(&json!(["create"]), "one"), of(&json!(["create"]), "one"));
        assert_ne!(of(&json!(["create"]), "one"), of(&json!(["create"]), "two"));
        assert_ne!(of(&json!(["create"]), "one"), of(&json!(["delete"]), "one"));
    }
}
