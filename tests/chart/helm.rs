//! helm, as `tests/cluster/programs.sh` builds it or as it is in PATH.

use std::io::Write;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use serde_json::Value;

/// The chart, seen from the repository's folder.
pub const CHART: &str = "deploy/chart";

/// The program.
pub struct Helm(PathBuf);

impl Helm {
    /// Finds it; says so loudly if there is none.
    pub fn find() -> Option<Self> {
        let built = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("target/cluster/bin/helm");
        let in_path = std::env::var_os("PATH")
            .into_iter()
            .flat_map(|path| std::env::split_paths(&path).collect::<Vec<_>>())
            .map(|folder| folder.join("helm"));
        let found = std::iter::once(built).chain(in_path).find(|path| path.is_file());
        if found.is_none() {
            eprintln!("SKIPPED: no helm; tests/cluster/programs.sh helm builds it");
        }
        found.map(Self)
    }

    /// Runs it in the repository's folder: its output, or what it complains of.
    pub fn run(&self, args: &[&str]) -> Result<String, String> {
        self.with_input(args, "")
    }

    /// What the chart makes of these values.
    pub fn template(&self, values: &Value) -> Result<String, String> {
        let args = ["template", "kontain-faas", CHART, "--namespace", "kontain-faas", "--values", "-"];
        self.with_input(&args, &values.to_string())
    }

    /// The documents of it.
    pub fn documents(&self, values: &Value) -> Vec<Value> {
        let rendered = self.template(values).unwrap();
        let rendered = rendered.trim_start_matches("---\n");
        rendered.split("\n---\n").map(|text| serde_saphyr::from_str(text).unwrap()).collect()
    }

    /// The pod's specification.
    pub fn pod(&self, values: &Value) -> Value {
        let deployment = self.documents(values).into_iter().find(|document| document["kind"] == "Deployment");
        deployment.unwrap()["spec"]["template"]["spec"].take()
    }

    fn with_input(&self, args: &[&str], input: &str) -> Result<String, String> {
        let mut child = Command::new(&self.0)
            .args(args)
            .current_dir(env!("CARGO_MANIFEST_DIR"))
            // Nothing of the user's own settings, and nothing written there.
            .envs(["HELM_CACHE_HOME", "HELM_CONFIG_HOME", "HELM_DATA_HOME"].map(|name| (name, "/nowhere")))
            .env_remove("KUBECONFIG")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        // It may end before it has read everything.
        let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
        let output = child.wait_with_output().unwrap();
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        if output.status.success() { Ok(text(&output.stdout)) } else { Err(text(&output.stderr)) }
    }
}
