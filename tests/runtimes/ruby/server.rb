# WEBrick answers what a handler raises with 500.
require 'json'
require 'openssl'
require 'securerandom'
require 'webrick'

calls = 0
file = lambda do |body|
  File.binwrite('/tmp/written', body)
  File.binread('/tmp/written')
end
answers = {
  '/count' => ->(_) { (calls += 1).to_s },
  '/uuid' => ->(_) { SecureRandom.uuid },
  '/random' => ->(_) { OpenSSL::Random.random_bytes(16).unpack1('H*') },
  '/json' => ->(body) { JSON.generate({ echo: JSON.parse(body) }) },
  '/body' => ->(body) { body },
  '/file' => file,
  '/fail' => ->(_) { raise 'nobody catches this' }
}

server = WEBrick::HTTPServer.new(Port: Integer(ENV.fetch('PORT', '8080')), BindAddress: '0.0.0.0')
answers.each do |path, answer|
  # A servlet of a block knows GET and POST.
  server.mount_proc(path) { |request, response| response.body = answer.call(request.body) }
end
trap('TERM') { server.shutdown }
server.start
