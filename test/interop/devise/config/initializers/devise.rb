# frozen_string_literal: true

Devise.setup do |config|
  config.authentication_keys = [:mobile]
  config.strip_whitespace_keys = [:mobile]
  config.case_insensitive_keys = []
  config.mailer_sender = "site@example.com"
  config.skip_session_storage = [:http_auth]
  config.stretches = 12
  config.password_length = 6..128
  config.expire_all_remember_me_on_sign_out = true
  config.lock_strategy = :failed_attempts
  config.maximum_attempts = 20
  config.unlock_strategy = :time
end
