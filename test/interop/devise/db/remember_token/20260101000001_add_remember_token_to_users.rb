# frozen_string_literal: true

# Where there is this column, Rememberable keeps a token of its own in the cookie, not the salt of the password.
class AddRememberTokenToUsers < ActiveRecord::Migration[6.1]
  def change
    add_column :users, :remember_token, :string
  end
end
