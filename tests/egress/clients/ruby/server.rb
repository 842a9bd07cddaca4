# Opens a connection with the client that the path names, and answers what came over it. With KEEP in the environment, clients that were used
# before the server listened are used again at /kept/NAME.
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

# Clients with a connection that each is.
def keep
  database = PG.connect(host: "db.test", user: "caller", password: "secret", dbname: "caller", sslmode: "disable")
  web = Net::HTTP.start("web.test", 80)
  kept = {
    "/kept/pg" => -> { database.exec("SELECT 6 * 7").getvalue(0, 0) },
    "/kept/http" => -> { web.get("/answer").body },
  }
  kept.each_value(&:call)
end

CLIENTS.merge!(keep) if ENV.key?("KEEP")

server = WEBrick::HTTPServer.new(Port: ENV.fetch("PORT", 8080).to_i, AccessLog: [])
server.mount_proc("/") do |request, response|
  response.body = CLIENTS.fetch(request.path).call.to_s
rescue StandardError => error
  response.status = 500
  response.body = "#{error.class}: #{error.message}"
end
server.start
