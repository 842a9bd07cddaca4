//! Panics in Rust: caught, in a thread, and out of main with status 101.
fn main() {
    std::panic::set_hook(Box::new(|info| println!("panic at line {}", info.location().map_or(0, |at| at.line()))));
    let caught = std::panic::catch_unwind(|| {
        let empty: Vec<i32> = Vec::new();
        empty[std::env::args().count()]
    });
    println!("{}", caught.is_err());
    let joined = std::thread::spawn(|| panic!("in a thread")).join();
    println!("{}", joined.is_err());
    println!("{:?}", i32::MAX.checked_add(1));
    panic!("the end");
}
