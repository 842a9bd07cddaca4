//! OpenFaaS' watchdogs: images whose first process listens on 8080 and starts the function's own server behind it.
//!
//! Both inherit one environment, and OpenFaaS sets no `PORT`. Ours would tell the inner server to listen where the watchdog
//! does already, so these programs get none, unless the Image itself names one.

use api::ImageSpec;
use km_vmm::protocol::ProcessSpec;

/// Name of the program in images of both watchdogs.
const PROGRAM: &str = "fwatchdog";

/// Takes `PORT` out of the environment of a watchdog.
pub fn leave_port_out(process: &mut ProcessSpec, spec: &ImageSpec) {
    let program = process.args.first().and_then(|path| path.rsplit('/').next());
    if program == Some(PROGRAM) && !spec.env.iter().any(|variable| variable.name == "PORT") {
        process.env.retain(|entry| !entry.starts_with("PORT="));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_watchdog_has_no_port() {
        let port = |program: &str, spec: &str| {
            let env = ["PORT=8080", "PORTAL=x"].map(str::to_owned).into();
            let (text, list) = (String::new, Vec::new);
            let args = vec![program.to_owned()];
            let (uid, gid, groups, resolv_conf) = (0, 0, list(), None);
            let mut process =
                ProcessSpec { args, env, cwd: text(), uid, gid, groups, hostname: text(), resolv_conf };
            leave_port_out(&mut process, &serde_saphyr::from_str(&format!("image: oci:x\n{spec}")).unwrap());
            process.env.len() == 2
        };
        assert!(!port("fwatchdog", "") && !port("/usr/bin/fwatchdog", ""));
        assert!(port("/usr/bin/fwatchdogs", "") && port("node", ""));
        assert!(port("fwatchdog", "env: [{name: PORT, value: '9'}]"));
    }
}
