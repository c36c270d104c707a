# frozen_string_literal: true

# The peer of Devise: peer_test.go says what it is asked and what it answers. REMEMBER_TOKEN=1 is a site whose users have
# the column remember_token.

# What Rails or a library prints must not stand between the answers.
answers = $stdout.dup
$stdout.reopen($stderr)
answers.sync = true

ENV["RAILS_ENV"] ||= "production"
require "json"
require "rack/test"
require_relative "config/application"

# A browser with a jar of cookies of its own.
class Browser
  include Rack::Test::Methods

  def app = Rails.application

  # Signs in as people do: the form, then its post with the token that it came with. Returns whether that led to the page
  # behind it.
  def sign_in(mobile, password, remember: false)
    get "/users/sign_in"
    token = last_response.body[/name="authenticity_token" value="([^"]+)"/, 1] or raise "the form has no token: #{last_response.body}"
    post "/users/sign_in", authenticity_token: CGI.unescapeHTML(token),
                           user: { mobile: mobile, password: password, remember_me: remember ? "1" : "0" }
    case last_response.status
    when 302 then last_response.location == "http://example.org/"
    when 200 then false # the form again
    else raise "sign in answers #{last_response.status}: #{last_response.body}"
    end
  end

  # The id of whom the site takes this browser for; "" is nobody.
  def user
    get "/"
    case last_response.status
    when 200 then last_response.body
    when 302 then ""
    else raise "the page answers #{last_response.status}: #{last_response.body}"
    end
  end

  # A cookie as the browser would send it.
  def cookie(name)
    value = rack_mock_session.cookie_jar[name] or raise "there is no cookie #{name}"
    "#{name}=#{CGI.escape(value)}"
  end
end

FORMATS = { "bcrypt" => 12, "bcrypt 11" => 11, "bcrypt 4" => 4 }.freeze # config.stretches

COMMANDS = {
  "setup" => lambda do |_|
    folders = [Rails.root.join("db/migrate")]
    folders << Rails.root.join("db/remember_token") if ENV["REMEMBER_TOKEN"]
    ActiveRecord::Migration.verbose = false
    ActiveRecord::MigrationContext.new(folders.map(&:to_s), ActiveRecord::SchemaMigration).migrate
    User.reset_column_information
    {}
  end,

  # A user; format "none" is one who only ever came by another way and has no password.
  "add" => lambda do |c|
    user = User.new(mobile: c["mobile"], email: "#{SecureRandom.hex}@example.com", role: "editor",
                    otp_secret: SecureRandom.base64(20), otp_required_for_login: true)
    unless c["format"] == "none"
      User.stretches = FORMATS.fetch(c["format"])
      user.password = c["password"]
    end
    user.deleted_at = Time.current unless c["active"]
    user.save!
    { id: user.id.to_s }
  end,

  "login" => lambda do |c|
    browser = Browser.new
    accepted = browser.sign_in(c["mobile"], c["password"])
    { accepted: accepted, session: accepted ? browser.cookie("_site_session") : "" }
  end,

  # Signs in with "remember me" and returns what is left of that when the browser is closed.
  "remember" => lambda do |c|
    browser = Browser.new
    accepted = browser.sign_in(c["mobile"], c["password"], remember: true)
    { accepted: accepted, session: accepted ? browser.cookie("remember_user_token") : "" }
  end,

  "session" => lambda do |c|
    browser = Browser.new
    browser.set_cookie(c["session"])
    { user: browser.user }
  end,

  # Sends the link of Devise's own way to a new password and returns the token in it.
  "link" => ->(c) { { session: User.find(c["id"]).send_reset_password_instructions } },

  # Follows such a link: whether it still sets a password.
  "follow" => lambda do |c|
    user = User.reset_password_by_token(reset_password_token: c["token"], password: c["password"],
                                          password_confirmation: c["password"])
    { accepted: user.errors.empty? }
  end,

  # How many seconds ago Active Record takes the user to have been changed.
  "age" => ->(c) { { count: (Time.current - User.find(c["id"]).updated_at).round } }
}.freeze

$stdin.each_line do |line|
  command = JSON.parse(line)
  answer = begin
    { ok: true }.merge(COMMANDS.fetch(command["do"]).call(command))
  rescue StandardError => e
    warn "#{e.class}: #{e.message}", *e.backtrace.first(10)
    { ok: false, error: "#{e.class}: #{e.message}" }
  end
  answers.puts(JSON.generate(answer))
end
