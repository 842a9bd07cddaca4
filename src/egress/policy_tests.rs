//! The decision, as a table.

use km_abi::outbound::Transport;

use crate::policy::{Declarer, Given, Mode, Policy, Question, Refusal, Resolution};
use api::egress::name::Name;
use api::egress::rule::Rule;

/// An operator of a cluster.
fn policy(allow: &[&str], deny: &[&str]) -> Policy {
    Policy {
        declarer: Declarer::Image,
        mode: Mode::Declared,
        allow: allow.iter().map(|text| text.parse().unwrap()).collect(),
        deny: deny.iter().map(|text| crate::policy::network(text).unwrap()).collect(),
        own: ["10.0.0.5", "93.184.216.1"].map(|text| crate::policy::network(text).unwrap()).to_vec(),
        cluster_domain: Some("cluster.local".parse().unwrap()),
        search: Vec::new(),
    }
}

fn rules_of(texts: &[&str]) -> Vec<Rule> {
    texts.iter().map(|text| text.parse().unwrap()).collect()
}

/// Decides for namespace `shop`; a name with `~` before it was an alias.
fn decide(policy: &Policy, texts: &[&str], names: &[&str], to: &str) -> Result<(), Refusal> {
    let given = |text: &&str| Given {
        name: text.trim_start_matches('~').parse().unwrap(),
        direct: !text.starts_with('~'),
    };
    let names: Vec<Given> = names.iter().map(given).collect();
    let rules = rules_of(texts);
    let to = to.parse().unwrap();
    policy.decide(&Question {
        namespace: "shop",
        rules: &rules,
        names: &names,
        transport: Transport::Tcp,
        to,
    })
}

/// What a refusal begins with, or nothing.
fn verdict(decision: Result<(), Refusal>) -> &'static str {
    match decision {
        Ok(()) => "",
        Err(Refusal::Off) => "off",
        Err(Refusal::Denied(_)) => "denied",
        Err(Refusal::Loopback(_)) => "loopback",
        Err(Refusal::Undeclared) => "undeclared",
        Err(Refusal::Own(_)) => "own",
        Err(Refusal::Special { .. }) => "special",
        Err(Refusal::Private(_)) => "private",
    }
}

#[test]
fn an_image_alone_opens_public_addresses() {
    let policy = policy(&[], &[]);
    for (rules, names, to, expected) in [
        (&["*:443"][..], &[][..], "8.8.8.8:443", ""),
        (&["*:443"], &[], "8.8.8.8:80", "undeclared"),
        (&["*:443/udp"], &[], "8.8.8.8:443", "undeclared"),
        (&[], &[], "8.8.8.8:443", "undeclared"),
        (&["8.8.8.0/24:443"], &[], "8.8.8.8:443", ""),
        (&["8.8.8.0/24:443"], &[], "[::ffff:8.8.8.8]:443", ""),
        (&["8.8.8.0/24:443"], &[], "8.8.4.4:443", "undeclared"),
        (&["api.example.com:443"], &["api.example.com"], "8.8.8.8:443", ""),
        (&["api.example.com:443"], &["~api.example.com"], "8.8.8.8:443", ""),
        // Not resolved by this call; resolved for another name.
        (&["api.example.com:443"], &[], "8.8.8.8:443", "undeclared"),
        (&["api.example.com:443"], &["example.com"], "8.8.8.8:443", "undeclared"),
        (&["*.example.com:443"], &["a.b.example.com"], "8.8.8.8:443", ""),
        (&["*.example.com:443"], &["example.com"], "8.8.8.8:443", "undeclared"),
        (&["*:443"], &[], "[2606:4700::1111]:443", ""),
        (&["*:443"], &[], "10.1.2.3:443", "undeclared"),
        (&["*:443", "10.0.0.0/8:443"], &[], "10.1.2.3:443", "private"),
        (&["10.0.0.0/8:443"], &[], "[::ffff:10.1.2.3]:443", "private"),
        (&["[64:ff9b::/96]:443"], &[], "[64:ff9b::10.1.2.3]:443", "private"),
        (&["[64:ff9b::/96]:443"], &[], "[64:ff9b::8.8.8.8]:443", ""),
        (&["[fc00::/7]:443"], &[], "[fd12::1]:443", "private"),
        // A name that leads to an address within: rebinding.
        (&["api.example.com:443"], &["api.example.com"], "10.1.2.3:443", "private"),
        (&["api.example.com:443"], &["api.example.com"], "127.0.0.1:443", "loopback"),
        (&["api.example.com:443"], &["api.example.com"], "[64:ff9b::127.0.0.1]:443", "loopback"),
        (&["api.example.com:443"], &["api.example.com"], "[::1]:443", "loopback"),
        (&["0.0.0.0/0:443"], &[], "169.254.169.254:443", "special"),
        (&["0.0.0.0/0:443"], &[], "0.0.0.0:443", "special"),
        (&["*:443", "[::/0]:443"], &[], "[fd00:ec2::254]:443", "special"),
        (&["[::/0]:443"], &[], "[2002:a9fe:a9fe::1]:443", "special"),
        (&["0.0.0.0/0:443"], &[], "10.0.0.5:443", "own"),
        (&["*:443"], &[], "93.184.216.1:443", "own"),
        (&["[::/0]:443"], &[], "[64:ff9b::10.0.0.5]:443", "own"),
    ] {
        let decision = decide(&policy, rules, names, to);
        assert_eq!(verdict(decision.clone()), expected, "{rules:?} {names:?} {to}: {decision:?}");
    }
}

#[test]
fn the_operator_says_what_images_may_declare_beyond() {
    for (allow, rules, names, to, expected) in [
        (&["10.0.0.0/8"][..], &["10.1.0.0/16:5432"][..], &[][..], "10.1.2.3:5432", ""),
        // Allowed and not declared is not open.
        (&["10.0.0.0/8"], &[], &[], "10.1.2.3:5432", "undeclared"),
        (&["shop=10.0.0.0/8"], &["10.1.0.0/16:5432"], &[], "10.1.2.3:5432", ""),
        (&["bank=10.0.0.0/8"], &["10.1.0.0/16:5432"], &[], "10.1.2.3:5432", "private"),
        (&["10.0.0.0/8"], &["[64:ff9b::/96]:1"], &[], "[64:ff9b::10.1.2.3]:1", ""),
        (&["64:ff9b::/96"], &["[64:ff9b::/96]:1"], &[], "[64:ff9b::10.1.2.3]:1", "private"),
        (&["[fd12::/16]"], &["[fd12::/16]:1"], &[], "[fd12::1]:1", ""),
        (&["db.corp"], &["db.corp:1"], &["db.corp"], "10.1.2.3:1", ""),
        (&["db.corp"], &["db.corp:1"], &["~db.corp"], "10.1.2.3:1", ""),
        (&["db.corp"], &["10.0.0.0/8:1"], &[], "10.1.2.3:1", "private"),
        (&["*.corp"], &["db.corp:1"], &["db.corp"], "10.1.2.3:1", ""),
        (&["bank=db.corp"], &["db.corp:1"], &["db.corp"], "10.1.2.3:1", "private"),
        // Special and own addresses: by a network within alone, and by no name.
        (&["0.0.0.0/0"], &["0.0.0.0/0:1"], &[], "169.254.169.254:1", "special"),
        (&["169.254.169.254"], &["0.0.0.0/0:1"], &[], "169.254.169.254:1", ""),
        (&["169.254.0.0/16"], &["169.254.0.0/16:1"], &[], "169.254.169.254:1", ""),
        (&["meta.corp"], &["meta.corp:1"], &["meta.corp"], "169.254.169.254:1", "special"),
        (&["100.64.0.0/10"], &["100.64.0.0/10:1"], &[], "100.64.0.1:1", ""),
        (&["100.64.0.0/10"], &["100.64.0.0/10:1"], &[], "100.100.100.200:1", "special"),
        (&["10.0.0.0/8"], &["10.0.0.0/8:1"], &[], "10.0.0.5:1", "own"),
        (&["10.0.0.5"], &["10.0.0.0/8:1"], &[], "10.0.0.5:1", ""),
        (&["198.18.0.0/15"], &["198.18.0.0/24:1"], &[], "198.18.0.1:1", ""),
        // Loopback in no case.
        (&["127.0.0.1", "127.0.0.0/8"], &["127.0.0.1:1"], &[], "127.0.0.1:1", "loopback"),
        (&["::1"], &["[::1]:1"], &[], "[::1]:1", "loopback"),
    ] {
        let decision = decide(&policy(allow, &[]), rules, names, to);
        assert_eq!(verdict(decision.clone()), expected, "{allow:?} {rules:?} {names:?} {to}: {decision:?}");
    }
    assert!("*".parse::<crate::policy::Allow>().is_err());
}

#[test]
fn a_denied_network_wins() {
    let policy = policy(&["10.0.0.0/8", "10.0.0.5"], &["10.1.0.0/16", "8.8.8.8"]);
    for (rules, to, expected) in [
        (&["10.0.0.0/8:1"][..], "10.1.2.3:1", "denied"),
        (&["10.0.0.0/8:1"], "10.2.2.3:1", ""),
        (&["*:1"], "8.8.8.8:1", "denied"),
        (&["[64:ff9b::/96]:1"], "[64:ff9b::8.8.8.8]:1", "denied"),
        (&["*:1"], "[2002:808:808::1]:1", "denied"),
    ] {
        assert_eq!(verdict(decide(&policy, rules, &[], to)), expected, "{to}");
    }
    let refusal = decide(&policy, &["*:1"], &[], "8.8.8.8:1").unwrap_err();
    assert_eq!(refusal.to_string(), "is refused by the operator (--egress-deny 8.8.8.8/32)");
}

#[test]
fn modes_open_all_that_is_public_or_nothing() {
    let mut policy = policy(&["10.2.0.0/16"], &["8.8.8.8"]);
    policy.mode = Mode::Public;
    for (to, expected) in [
        ("8.8.4.4:25", ""),
        ("8.8.8.8:25", "denied"),
        ("10.2.0.1:25", "undeclared"),
        ("10.3.0.1:25", "undeclared"),
        ("93.184.216.1:25", "own"),
        ("127.0.0.1:25", "loopback"),
    ] {
        assert_eq!(verdict(decide(&policy, &[], &[], to)), expected, "{to}");
    }
    policy.mode = Mode::Off;
    assert_eq!(verdict(decide(&policy, &["*:1"], &[], "8.8.4.4:1")), "off");
    for mode in [Mode::Off, Mode::Declared, Mode::Public] {
        assert_eq!(mode.to_string().parse(), Ok(mode));
    }
}

#[test]
fn services_of_the_own_namespace_need_no_operator() {
    let cluster = policy(&[], &[]);
    let whole = "db.shop.svc.cluster.local";
    for (rule, name, expected) in [
        ("db:1", whole, ""),
        ("db.shop:1", whole, ""),
        ("db.shop.svc:1", whole, ""),
        ("db.shop.svc.cluster.local:1", whole, ""),
        ("*.shop.svc.cluster.local:1", "pod-0.db.shop.svc.cluster.local", ""),
        // Another namespace's; a host of the world's with such a name; an alias.
        ("db.bank:1", "db.bank.svc.cluster.local", "undeclared"),
        ("db.bank.svc.cluster.local:1", "db.bank.svc.cluster.local", "private"),
        ("db.shop:1", "db.shop", "private"),
        ("db:1", "db", "private"),
        ("db:1", "~db.shop.svc.cluster.local", "private"),
        ("db:1", "db.bank.svc.cluster.local", "undeclared"),
        ("other:1", whole, "undeclared"),
        ("*.svc.cluster.local:1", "db.bank.svc.cluster.local", "private"),
    ] {
        assert_eq!(verdict(decide(&cluster, &[rule], &[name], "10.96.0.1:1")), expected, "{rule} {name}");
    }
    let alone = Policy { cluster_domain: None, ..policy(&[], &[]) };
    assert_eq!(verdict(decide(&alone, &["*.cluster.local:1"], &[whole], "10.96.0.1:1")), "private");
}

#[test]
fn names_are_asked_for_by_rules() {
    let cluster = policy(&[], &[]);
    let alone =
        Policy { cluster_domain: None, search: vec!["corp.example".parse().unwrap()], ..cluster.clone() };
    let (ask, absent, refuse) = (Resolution::Ask, Resolution::Absent, Resolution::Refuse);
    for (policy, rules, name, expected) in [
        (&cluster, &["api.example.com:443"][..], "api.example.com", ask),
        (&cluster, &["api.example.com:443"], "API.example.com.", ask),
        (&cluster, &["api.example.com:443"], "www.example.com", refuse),
        (&cluster, &["api.example.com:443"], "api.example.com.shop.svc.cluster.local", absent),
        (&cluster, &["api.example.com:443"], "api.example.com.cluster.local", absent),
        (&cluster, &["api.example.com:443"], "api.example.com.evil.org", refuse),
        (&cluster, &["*.example.com:443"], "secret.api.example.com", ask),
        (&cluster, &["*:443"], "anything.org", ask),
        (&cluster, &["8.8.8.8:443"], "dns.google", refuse),
        (&cluster, &["db:1"], "db.shop.svc.cluster.local", ask),
        (&cluster, &["db:1"], "db.svc.cluster.local", absent),
        (&cluster, &["db:1"], "db.bank.svc.cluster.local", refuse),
        // What programs that write `db.shop` or `db.shop.svc` ask before the name that the rule opens, and after it.
        (&cluster, &["db:1"], "db.shop.shop.svc.cluster.local", absent),
        (&cluster, &["db:1"], "db.shop.cluster.local", absent),
        (&cluster, &["db:1"], "db.shop.svc.shop.svc.cluster.local", absent),
        (&cluster, &["db:1"], "db.shop.svc.svc.cluster.local", absent),
        (&cluster, &["db:1"], "db.shop", absent),
        (&cluster, &["db:1"], "db.bank.shop.svc.cluster.local", refuse),
        (&cluster, &["*.shop.svc.cluster.local:1"], "api.example.com", refuse),
        (&alone, &["db:1"], "db", ask),
        (&alone, &["db:1"], "db.corp.example", ask),
        (&alone, &["db.x:1"], "db.x.corp.example", absent),
        (&alone, &["db:1"], "db.other.example", refuse),
        (&cluster, &[], "api.example.com", refuse),
    ] {
        let name: Name = name.parse().unwrap();
        assert_eq!(policy.resolution("shop", &rules_of(rules), &name), expected, "{rules:?} {name}");
    }
    let off = Policy { mode: Mode::Off, ..cluster.clone() };
    let functions = rules_of(&["functions.internal:80"]);
    let name = |text: &str| text.parse().unwrap();
    let policy = Policy { search: vec![name("corp.example")], ..Policy::default() };
    assert_eq!(policy.resolution("shop", &functions, &name("functions.internal")), Resolution::Functions);
    assert_eq!(
        policy.resolution("shop", &functions, &name("functions.internal.corp.example")),
        Resolution::Absent
    );
    assert_eq!(policy.resolution("shop", &functions, &name("other.internal")), refuse);
    assert_eq!(policy.resolution("shop", &[], &name("functions.internal")), refuse);
    assert_eq!(off.resolution("shop", &rules_of(&["*:1"]), &"a.org".parse().unwrap()), refuse);
    let public = Policy { mode: Mode::Public, ..cluster };
    assert_eq!(public.resolution("shop", &[], &"a.org".parse().unwrap()), ask);
    assert_eq!(public.search("shop"), ["shop.svc.cluster.local", "svc.cluster.local", "cluster.local"]);
    assert_eq!(alone.search("shop"), ["corp.example"]);
}

#[test]
fn refusals_name_the_fix() {
    let message = |rules: &[&str], names: &[&str], to: &str| {
        decide(&policy(&[], &[]), rules, names, to).unwrap_err().to_string()
    };
    assert_eq!(message(&[], &[], "8.8.8.8:1"), "is not allowed; add it to spec.egress");
    assert_eq!(Refusal::Undeclared.told(Declarer::Command), "is not allowed; add it with --egress");
    let private = Refusal::Private([10, 0, 0, 1].into()).told(Declarer::Command);
    assert_eq!(private, "leads to a private address (10.0.0.1): name its network with --egress");
    assert!(message(&["10.0.0.0/8:1"], &[], "10.1.2.3:1").contains("(10.1.2.3): the operator must allow it"));
    assert!(message(&["0.0.0.0/0:1"], &[], "10.0.0.5:1").contains("--egress-allow 10.0.0.5/32"));
    let metadata = message(&["0.0.0.0/0:1"], &[], "[::ffff:169.254.169.254]:1");
    assert!(metadata.contains("169.254.169.254 of 169.254.0.0/16"), "{metadata}");
    let names = [Given { name: "api.example.com".parse().unwrap(), direct: true }];
    let question = |names, transport| Question {
        namespace: "shop",
        rules: &[],
        names,
        transport,
        to: "8.8.8.8:443".parse().unwrap(),
    };
    assert_eq!(question(&names[..], Transport::Tcp).destination(), "api.example.com:443");
    assert_eq!(question(&[], Transport::Udp).destination(), "8.8.8.8:443/udp");
}
