//! Rust's standard library: collections, threads, channels, files, time, environment.
// args: one | two
// env: NAME=value
use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Condvar, Mutex, mpsc};
use std::time::{Duration, Instant};
use std::{env, fs, thread};

fn main() {
    println!("{:?} {:?}", env::args().skip(1).collect::<Vec<_>>(), env::var("NAME"));
    let mut counts = HashMap::new();
    for word in "a b a c b a".split(' ') {
        *counts.entry(word).or_insert(0) += 1;
    }
    println!("{:?}", counts.into_iter().collect::<BTreeMap<_, _>>());
    let (sender, receiver) = mpsc::channel();
    let threads: Vec<_> = (0..5)
        .map(|n| {
            let sender = sender.clone();
            thread::spawn(move || (0..100).for_each(|i| sender.send(n * i).expect("the receiver lives")))
        })
        .collect();
    drop(sender);
    println!("{}", receiver.iter().sum::<i32>());
    threads.into_iter().for_each(|thread| thread.join().expect("no panic"));
    let pair = Arc::new((Mutex::new(false), Condvar::new()));
    let other = pair.clone();
    thread::spawn(move || {
        *other.0.lock().expect("not poisoned") = true;
        other.1.notify_one();
    });
    let done = pair.1.wait_while(pair.0.lock().expect("not poisoned"), |done| !*done);
    println!("{}", *done.expect("not poisoned"));
    let path = env::temp_dir().join(format!("rust-std-{}", std::process::id()));
    fs::write(&path, "some text").expect("writable");
    println!("{:?} {}", fs::read_to_string(&path), fs::metadata(&path).expect("there").len());
    fs::remove_file(&path).expect("removable");
    println!("{:?}", fs::read(&path).map_err(|error| error.kind()));
    let start = Instant::now();
    thread::sleep(Duration::from_millis(20));
    println!("{}", start.elapsed() >= Duration::from_millis(20));
    println!("{:?}", thread::available_parallelism().is_ok());
}
