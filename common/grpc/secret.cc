#include "common/grpc/secret.h"

#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cctype>
#include <cerrno>
#include <cstring>
#include <cstdlib>
#include <stdexcept>

#include "common/grpc/credentials.h"
#include "common/process.h"

namespace sluice {
namespace {

// What a parent uses, whatever the settings of its children say; empty: none.
constexpr const char* kInherited = "SLUICE_INHERITED_SECRET_FILE";
constexpr const char* kName = "sluice";  // that all certificates are for, whatever host they are on
constexpr std::string_view kSalt = "sluice link 1";
constexpr std::size_t kLeastBytes = 16, kMostBytes = 4096;

template <class T, void (*drop)(T*)> struct Dropped {
  void operator()(T* t) const { drop(t); }
};
using KeyPtr = std::unique_ptr<EVP_PKEY, Dropped<EVP_PKEY, EVP_PKEY_free>>;
using CertificatePtr = std::unique_ptr<X509, Dropped<X509, X509_free>>;
using ExtensionPtr = std::unique_ptr<X509_EXTENSION, Dropped<X509_EXTENSION, X509_EXTENSION_free>>;
using BioPtr = std::unique_ptr<BIO, Dropped<BIO, BIO_free_all>>;

void need(bool done) {
  if (!done) throw std::runtime_error("OpenSSL cannot make a key of the secret");
}

template <class Write> std::string pem(Write write) {
  BioPtr bio(BIO_new(BIO_s_mem()));
  need(bio && write(bio.get()) == 1);
  char* at = nullptr;
  long size = BIO_get_mem_data(bio.get(), &at);
  return {at, std::size_t(size)};
}

void extend(X509* certificate, int what, const char* value) {
  X509V3_CTX context;
  X509V3_set_ctx_nodb(&context);
  X509V3_set_ctx(&context, certificate, certificate, nullptr, nullptr, 0);
  ExtensionPtr extension(X509V3_EXT_conf_nid(nullptr, &context, what, value));
  need(extension && X509_add_ext(certificate, extension.get(), -1) == 1);
}

absl::Status refuse(const std::string& what) { return absl::InvalidArgumentError(what); }

absl::Status readFile(const std::string& path, std::string& text) {
  const std::string key = conf::kAuthenticateSecretFile.entry.name;
  OwnedFd file(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  struct stat facts;
  if (!file || ::fstat(file.get(), &facts) != 0) return refuse(key + ": cannot read " + path + ": " + std::strerror(errno));
  if (facts.st_mode & (S_IRWXG | S_IRWXO)) return refuse(key + ": others can read " + path + "; chmod 600 it, and choose another secret if somebody may have");
  if (facts.st_uid != ::geteuid() && facts.st_uid != 0) return refuse(key + ": " + path + " belongs to somebody else, who could change it");
  text.resize(kMostBytes);
  ssize_t n = ::read(file.get(), text.data(), text.size());
  if (n < 0) return refuse(key + ": cannot read " + path + ": " + std::strerror(errno));
  text.resize(std::size_t(n));
  auto blank = [](char c) { return std::isspace(static_cast<unsigned char>(c)) != 0; };
  text.erase(text.begin(), std::find_if_not(text.begin(), text.end(), blank));
  while (!text.empty() && blank(text.back())) text.pop_back();
  if (text.size() < kLeastBytes) {
    return refuse(key + ": " + path + " holds " + std::to_string(text.size()) + " characters, which can be guessed; make a secret with: openssl rand -base64 32");
  }
  return absl::OkStatus();
}

// Empty: links are plain.
absl::Status secretFile(const Settings& settings, std::string& path) {
  if (const char* inherited = std::getenv(kInherited)) return path = inherited, absl::OkStatus();
  path = settings.get(conf::kAuthenticateSecretFile);
  bool wanted = settings.find(conf::kAuthenticate).value_or(!path.empty());
  if (wanted && path.empty()) {
    return refuse(std::string(conf::kAuthenticate.entry.name) + " is on, and there is no secret; name a file by " + conf::kAuthenticateSecretFile.entry.name);
  }
  if (!wanted) path.clear();
  return absl::OkStatus();
}

}  // namespace

// Ed25519: its signatures follow from key and text, so that the certificate is the same everywhere.
LinkSecretPtr linkSecretOf(std::string_view text) {
  unsigned char seed[32];
  need(EVP_PBE_scrypt(text.data(), text.size(), reinterpret_cast<const unsigned char*>(kSalt.data()), kSalt.size(), 1 << 14, 8, 1, 64 << 20, seed, sizeof seed) == 1);
  KeyPtr key(EVP_PKEY_new_raw_private_key(EVP_PKEY_ED25519, nullptr, seed, sizeof seed));
  OPENSSL_cleanse(seed, sizeof seed);
  CertificatePtr certificate(X509_new());
  need(key && certificate);
  X509* x = certificate.get();
  need(X509_set_version(x, 2) == 1 && ASN1_INTEGER_set(X509_get_serialNumber(x), 1) == 1);
  need(ASN1_TIME_set_string(X509_getm_notBefore(x), "20000101000000Z") == 1 && ASN1_TIME_set_string(X509_getm_notAfter(x), "29991231235959Z") == 1);
  X509_NAME* name = X509_get_subject_name(x);
  need(X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC, reinterpret_cast<const unsigned char*>(kName), -1, -1, 0) == 1);
  need(X509_set_issuer_name(x, name) == 1 && X509_set_pubkey(x, key.get()) == 1);
  extend(x, NID_basic_constraints, "critical,CA:TRUE");
  extend(x, NID_subject_alt_name, ("DNS:" + std::string(kName)).c_str());
  need(X509_sign(x, key.get(), nullptr) > 0);
  auto secret = std::make_shared<LinkSecret>();
  secret->certificate = pem([&](BIO* to) { return PEM_write_bio_X509(to, x); });
  secret->key = pem([&](BIO* to) { return PEM_write_bio_PrivateKey(to, key.get(), nullptr, nullptr, 0, nullptr, nullptr); });
  return secret;
}

absl::Status readLinkSecret(const Settings& settings, LinkSecretPtr& secret) {
  secret = nullptr;
  std::string path, text;
  if (auto status = secretFile(settings, path); !status.ok() || path.empty()) return status;
  if (auto status = readFile(path, text); !status.ok()) return status;
  try {
    secret = linkSecretOf(text);
  } catch (const std::runtime_error& error) {
    return absl::InternalError(error.what());
  }
  return absl::OkStatus();
}

absl::Status inheritLinkSecret(LinkSecretPtr& secret) { return readLinkSecret(Settings(), secret); }

std::vector<std::pair<std::string, std::string>> environmentOfSecret(const Settings& settings) {
  std::string path;
  secretFile(settings, path).IgnoreError();  // said by readLinkSecret
  return {{kInherited, path}};
}

std::shared_ptr<grpc::ServerCredentials> serverCredentials(const LinkSecretPtr& secret) {
  if (!secret) return grpc::InsecureServerCredentials();
  grpc::SslServerCredentialsOptions options(GRPC_SSL_REQUEST_AND_REQUIRE_CLIENT_CERTIFICATE_AND_VERIFY);
  options.pem_root_certs = secret->certificate;
  options.pem_key_cert_pairs.push_back({secret->key, secret->certificate});
  return grpc::SslServerCredentials(options);
}

std::shared_ptr<grpc::ChannelCredentials> channelCredentials(const LinkSecretPtr& secret, grpc::ChannelArguments& arguments) {
  if (!secret) return grpc::InsecureChannelCredentials();
  arguments.SetSslTargetNameOverride(kName);
  grpc::SslCredentialsOptions options;
  options.pem_root_certs = secret->certificate, options.pem_cert_chain = secret->certificate, options.pem_private_key = secret->key;
  return grpc::SslCredentials(options);
}

}  // namespace sluice
