# frozen_string_literal: true

# The page of whoever has signed in.
class HomeController < ApplicationController
  before_action :authenticate_user!

  def index
    render plain: current_user.id.to_s
  end
end
