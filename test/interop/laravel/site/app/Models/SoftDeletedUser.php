<?php

namespace App\Models;

use Illuminate\Database\Eloquent\SoftDeletes;

/** A user whose row stays, with deleted_at set, when it is deleted. */
class SoftDeletedUser extends User
{
    use SoftDeletes;
}
