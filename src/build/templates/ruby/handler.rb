# Answers a call. `event` has method, path, query, headers and body.
def handle(event, _context)
  name = event.body.empty? ? "world" : event.body
  { status: 200, body: "Hello, #{name}!\n" }
end
