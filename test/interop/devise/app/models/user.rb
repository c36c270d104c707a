# frozen_string_literal: true

class User < ActiveRecord::Base
  devise :database_authenticatable, :rememberable, :recoverable, :trackable, :lockable

  # Soft deletion as in Devise's own wiki ("How to: Soft delete a user when user deletes account").
  def active_for_authentication?
    super && deleted_at.nil?
  end
end
