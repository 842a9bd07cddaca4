use tiny_http::{Response, Server};

/// The answer to a body.
fn handle(body: &str) -> String {
    format!("Hello, {}!\n", if body.is_empty() { "world" } else { body })
}

fn main() {
    let port = std::env::var("PORT").unwrap_or_else(|_| "8080".to_owned());
    let server = Server::http(format!("0.0.0.0:{port}")).expect("the port is free");
    for mut request in server.incoming_requests() {
        let mut body = String::new();
        let answer = match request.as_reader().read_to_string(&mut body) {
            Ok(_) => Response::from_string(handle(&body)),
            Err(error) => Response::from_string(error.to_string()).with_status_code(400),
        };
        if let Err(error) = request.respond(answer) {
            eprintln!("{error}");
        }
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn it_greets() {
        assert_eq!(super::handle("you"), "Hello, you!\n");
    }
}
