# frozen_string_literal: true

# A site of Rails and Devise whose people sign in with their mobile number. It is a project as `rails new --minimal` and
# `rails generate devise:install` make it, less what nobody asks for here; docs/devise.md goes the same way by hand.

require "active_record/railtie"
require "action_controller/railtie"
require "action_mailer/railtie"
require "devise"
require "devise/orm/active_record"

class Site < Rails::Application
  config.load_defaults 6.1
  config.root = File.expand_path("..", __dir__)
  config.eager_load = false
  config.cache_classes = true
  config.hosts.clear
  config.secret_key_base = SecureRandom.hex(64)
  config.session_store :cookie_store, key: "_site_session"
  config.time_zone = "Asia/Shanghai" # what people see; Active Record keeps UTC
  config.action_mailer.delivery_method = :test
  config.action_mailer.default_url_options = { host: "www.example.com" }

  config.logger = ActiveSupport::Logger.new($stderr)
  config.log_level = :warn
  %w[log tmp].each { |folder| config.paths[folder] = File.join(ENV.fetch("PEER_DIR"), folder) }

  # What config/database.yml would say, and DATABASE_URL too.
  def config.database_configuration
    adapter = { "sqlite" => "sqlite3", "postgres" => "postgresql", "mysql" => "mysql2" }.fetch(ENV.fetch("DB_ENGINE"))
    server = { "host" => ENV["DB_HOST"], "port" => ENV["DB_PORT"], "username" => ENV["DB_USER"], "password" => ENV["DB_PASSWORD"] }
    server = { "timeout" => 30_000 } if adapter == "sqlite3"
    { Rails.env => { "adapter" => adapter, "database" => ENV.fetch("DB_NAME"), **server } }
  end
end

Site.initialize!
