# Listens on $PORT and has handler.rb answer: it gives a text, or a hash with status, headers and body, in which everything else
# becomes JSON.
require "json"
require "webrick"
require_relative "handler"

Event = Struct.new(:method, :path, :query, :headers, :body)

class Servlet < WEBrick::HTTPServlet::AbstractServlet
  def service(request, response)
    event = Event.new(request.request_method, request.path, request.query_string, request.header, request.body.to_s)
    answer = handle(event, { call_id: request["X-Call-Id"] })
    answer = { body: answer } unless answer.is_a?(Hash) && (answer.key?(:status) || answer.key?(:body))
    body = answer[:body]
    text = body.is_a?(String)
    response.status = answer.fetch(:status, 200)
    response["Content-Type"] = text ? "text/plain; charset=utf-8" : "application/json"
    answer.fetch(:headers, {}).each { |name, value| response[name.to_s] = value }
    response.body = text ? body : JSON.generate(body)
  end
end

server = WEBrick::HTTPServer.new(Port: ENV.fetch("PORT", 8080).to_i, AccessLog: [], Logger: WEBrick::Log.new($stderr, WEBrick::Log::WARN))
server.mount("/", Servlet)
trap("TERM") { server.shutdown }
server.start
