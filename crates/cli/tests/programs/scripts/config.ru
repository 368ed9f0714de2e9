require "digest"

run lambda { |env|
  body =
    case env["PATH_INFO"]
    when "/pid" then "#{Process.pid}\n"
    when "/sum" then "#{Digest::SHA256.hexdigest(env["rack.input"].read)}\n"
    else "hello " * 10_000
    end
  [200, { "Content-Type" => "text/plain" }, [body]]
}
