//! Rust's TCP and UDP over the loopback, with time-outs.
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream, UdpSocket};
use std::time::Duration;

fn main() -> std::io::Result<()> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let address = listener.local_addr()?;
    let server = std::thread::spawn(move || -> std::io::Result<usize> {
        let mut total = 0;
        for _ in 0..3 {
            let (mut stream, _) = listener.accept()?;
            let mut text = String::new();
            stream.read_to_string(&mut text)?;
            total += text.len();
            stream.write_all(text.to_uppercase().as_bytes())?;
        }
        Ok(total)
    });
    for word in ["one", "zwei", "trois"] {
        let mut stream = TcpStream::connect(address)?;
        stream.write_all(word.as_bytes())?;
        stream.shutdown(std::net::Shutdown::Write)?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer)?;
        println!("{answer}");
    }
    println!("{:?}", server.join().expect("no panic")?);
    println!("{:?}", TcpStream::connect(address).map(drop).map_err(|error| error.kind()));
    let (a, b) = (UdpSocket::bind("127.0.0.1:0")?, UdpSocket::bind("127.0.0.1:0")?);
    a.send_to(b"datagram", b.local_addr()?)?;
    let mut bytes = [0; 64];
    let (size, from) = b.recv_from(&mut bytes)?;
    println!("{:?} {}", std::str::from_utf8(&bytes[..size]), from == a.local_addr()?);
    b.set_read_timeout(Some(Duration::from_millis(20)))?;
    println!("{:?}", b.recv(&mut bytes).map_err(|error| error.kind()));
    Ok(())
}
