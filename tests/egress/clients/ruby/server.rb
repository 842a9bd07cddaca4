# Opens a connection with the client that the path names, and answers what came over it.
require "net/http"
require "openssl"
require "pg"
require "resolv"
require "webrick"

CA = "/run/secrets/peers/ca.crt"

CLIENTS = {
  "/pg" => lambda do
    database = PG.connect(host: "db.test", user: "caller", password: "secret", dbname: "caller",
                          sslmode: "verify-full", sslrootcert: CA)
    answer = database.exec("SELECT 6 * 7").getvalue(0, 0)
    database.close
    answer
  end,
  "/https" => lambda do
    Net::HTTP.start("web.test", 443, use_ssl: true, ca_file: CA) { |http| http.get("/answer").body }
  end,
  "/redis" => lambda do
    TCPSocket.open("redis.test", 6379) do |redis|
      redis.write("EVAL \"return 6 * 7\" 0\r\n")
      redis.gets.strip.delete_prefix(":")
    end
  end,
  "/dns" => -> { Resolv::DNS.new.getaddress("db.test").to_s == "192.0.2.1" ? 42 : nil },
}

server = WEBrick::HTTPServer.new(Port: ENV.fetch("PORT", 8080).to_i, AccessLog: [])
server.mount_proc("/") do |request, response|
  response.body = CLIENTS.fetch(request.path).call.to_s
rescue StandardError => error
  response.status = 500
  response.body = "#{error.class}: #{error.message}"
end
server.start
