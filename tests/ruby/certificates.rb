# Certificates for the scripts that speak TLS, made on the spot: an authority, and servers it vouches for.
require "openssl"

module Certificates
  KEY = OpenSSL::PKey::EC.generate("prime256v1")

  # A certificate, signed by `issuer` or by itself.
  def self.make(subject, issuer: nil, names: nil, authority: false, valid: (Time.now - 86_400)..(Time.now + 86_400))
    certificate = OpenSSL::X509::Certificate.new
    certificate.version = 2
    certificate.serial = rand(1 << 64)
    certificate.subject = OpenSSL::X509::Name.parse("/CN=#{subject}")
    certificate.issuer = (issuer || certificate).subject
    certificate.public_key = KEY
    certificate.not_before = valid.begin
    certificate.not_after = valid.end
    extensions = OpenSSL::X509::ExtensionFactory.new(issuer || certificate, certificate)
    certificate.add_extension(extensions.create_extension("basicConstraints", "CA:#{authority.to_s.upcase}", true))
    certificate.add_extension(extensions.create_extension("subjectAltName", names)) if names
    certificate.sign(KEY, "SHA256")
  end

  AUTHORITY = make("the authority", authority: true)
  SERVER = make("server.test", issuer: AUTHORITY, names: "DNS:server.test,IP:127.0.0.1,IP:::1")
  EXPIRED = make("server.test", issuer: AUTHORITY, names: "DNS:server.test", valid: (Time.now - 200)..(Time.now - 100))
  STRANGER = make("server.test", names: "DNS:server.test")

  # What a client trusts.
  def self.store
    OpenSSL::X509::Store.new.tap { |store| store.add_cert(AUTHORITY) }
  end

  # What a server shows.
  def self.context(certificate = SERVER)
    OpenSSL::SSL::SSLContext.new.tap { |context| context.add_certificate(certificate, KEY) }
  end
end
