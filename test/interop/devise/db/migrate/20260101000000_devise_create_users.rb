# frozen_string_literal: true

# As rails generate devise User makes it with every column let in, and what a site adds of its own.
class DeviseCreateUsers < ActiveRecord::Migration[6.1]
  def change
    create_table :users do |t|
      ## Database authenticatable
      t.string :email,              null: false, default: ""
      t.string :encrypted_password, null: false, default: ""

      ## Recoverable
      t.string   :reset_password_token
      t.datetime :reset_password_sent_at

      ## Rememberable
      t.datetime :remember_created_at

      ## Trackable
      t.integer  :sign_in_count, default: 0, null: false
      t.datetime :current_sign_in_at
      t.datetime :last_sign_in_at
      t.string   :current_sign_in_ip
      t.string   :last_sign_in_ip

      ## Lockable
      t.integer  :failed_attempts, default: 0, null: false
      t.string   :unlock_token
      t.datetime :locked_at

      ## The site's own
      t.string   :mobile
      t.string   :role, null: false, default: "customer"
      t.string   :otp_secret
      t.boolean  :otp_required_for_login, null: false, default: false
      t.datetime :deleted_at
      t.datetime :password_changed_at

      t.timestamps null: false
    end

    add_index :users, :mobile
    add_index :users, :reset_password_token, unique: true
  end
end
