//! The metadata section: JSON of nitro-cli's shape. It is not measured.
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// The build time that is written unless another is asked for, so that the same image gives the same bytes.
pub const DEFAULT_BUILD_TIME: &str = "1970-01-01T00:00:00+00:00";

/// Where an EIF comes from, as nitro-cli writes it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct Metadata {
    /// The image's name.
    pub image_name: String,
    /// The image's version.
    pub image_version: String,
    /// When and with what it was built.
    pub build_metadata: BuildMetadata,
    /// Docker's description of the image, where Docker was there.
    pub docker_info: Value,
    /// What the builder's user added.
    pub custom_metadata: Value,
}

/// When and with what an EIF was built.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct BuildMetadata {
    /// RFC 3339.
    pub build_time: String,
    /// The builder's name.
    pub build_tool: String,
    /// The builder's version.
    pub build_tool_version: String,
    /// The enclave's operating system.
    pub operating_system: String,
    /// The enclave's kernel.
    pub kernel_version: String,
}

impl Metadata {
    /// The metadata of an EIF that this builder writes: nothing in it depends on the machine or the moment.
    pub fn new(name: &str, version: &str, build_time: &str, kernel_version: &str) -> Self {
        Self {
            image_name: name.into(),
            image_version: version.into(),
            build_metadata: BuildMetadata {
                build_time: build_time.into(),
                build_tool: "treza-eif".into(),
                build_tool_version: env!("CARGO_PKG_VERSION").into(),
                operating_system: "Linux".into(),
                kernel_version: kernel_version.into(),
            },
            docker_info: Value::Null,
            custom_metadata: Value::Null,
        }
    }
}
