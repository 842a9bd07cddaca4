require_relative "handler"

event = Struct.new(:method, :path, :query, :headers, :body).new("POST", "/", nil, {}, "you")
answer = handle(event, {})
raise "unexpected answer: #{answer}" unless answer[:body] == "Hello, you!\n"
