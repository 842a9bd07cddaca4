//! Opens a connection with the client that the path names, and answers what came over it. With KEEP in the environment, clients that
//! were used before the server listened are used again at /kept/NAME.

use std::error::Error;

use axum::Router;
use axum::http::StatusCode;
use axum::routing::get;
use reqwest::Certificate;
use tokio_postgres::NoTls;

type Outcome = Result<String, Box<dyn Error + Send + Sync>>;

async fn postgres() -> Outcome {
    let config = "host=db.test user=caller password=secret dbname=caller sslmode=disable";
    let (client, connection) = tokio_postgres::connect(config, NoTls).await?;
    tokio::spawn(connection);
    let row = client.query_one("SELECT 6 * 7", &[]).await?;
    Ok(row.get::<_, i32>(0).to_string())
}

async fn https() -> Outcome {
    let authority = Certificate::from_pem(&std::fs::read("/run/secrets/peers/ca.crt")?)?;
    let client = reqwest::Client::builder().add_root_certificate(authority).build()?;
    Ok(client.get("https://web.test/answer").send().await?.text().await?)
}

async fn cache() -> Outcome {
    let mut connection = redis::Client::open("redis://redis.test/")?.get_multiplexed_async_connection().await?;
    let answer: i64 = redis::cmd("EVAL").arg("return 6 * 7").arg(0).query_async(&mut connection).await?;
    Ok(answer.to_string())
}

/// Routes of clients with a connection that each is.
async fn keep() -> Result<Router, Box<dyn Error + Send + Sync>> {
    let config = "host=db.test user=caller password=secret dbname=caller sslmode=disable";
    let (database, connection) = tokio_postgres::connect(config, NoTls).await?;
    tokio::spawn(connection);
    let database = std::sync::Arc::new(database);
    let web = reqwest::Client::new();
    let cache = redis::Client::open("redis://redis.test/")?.get_multiplexed_async_connection().await?;
    let ask = move || {
        let database = database.clone();
        async move { Ok(database.query_one("SELECT 6 * 7", &[]).await?.get::<_, i32>(0).to_string()) }
    };
    let fetch = move || {
        let web = web.clone();
        async move { Ok(web.get("http://web.test/answer").send().await?.text().await?) }
    };
    let count = move || {
        let mut cache = cache.clone();
        async move {
            let answer: i64 = redis::cmd("EVAL").arg("return 6 * 7").arg(0).query_async(&mut cache).await?;
            Ok(answer.to_string())
        }
    };
    for outcome in [ask().await as Outcome, fetch().await, count().await] {
        outcome?;
    }
    Ok(Router::new()
        .route("/kept/postgres", get(move || async move { answer(ask().await) }))
        .route("/kept/http", get(move || async move { answer(fetch().await) }))
        .route("/kept/redis", get(move || async move { answer(count().await) })))
}

fn answer(outcome: Outcome) -> (StatusCode, String) {
    match outcome {
        Ok(text) => (StatusCode::OK, text),
        Err(error) => (StatusCode::INTERNAL_SERVER_ERROR, format!("{error}: {:?}", error.source())),
    }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error + Send + Sync>> {
    let kept = if std::env::var_os("KEEP").is_some() { keep().await? } else { Router::new() };
    let routes = kept
        .route("/postgres", get(|| async { answer(postgres().await) }))
        .route("/https", get(|| async { answer(https().await) }))
        .route("/redis", get(|| async { answer(cache().await) }));
    let port = std::env::var("PORT")?;
    let listener = tokio::net::TcpListener::bind(format!("0.0.0.0:{port}")).await?;
    Ok(axum::serve(listener, routes).await?)
}
